"""`asd seeds` on a folder of pictures: from a new workspace to a seed set."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asd import cli
from asd.layout import Layout
from asd.params_file import set_params
from asd.seeds.numbers import read_numbers
from asd.seeds.seed_set import read_seed_set
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import read_index

CAT = ("--class", "cat", "--by", "Ada")
SEED = ("step", "seed", "--dataset", "imagefolder", "--attack", "none", "--trial", "0")


def test_from_a_new_workspace_to_a_seed_set_without_a_file_edited(
    kit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = kit.make_workspace(tmp_path)
    layout = Layout(root)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "PREFECT_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    made = subprocess.run(
        [str(Path(sys.executable).parent / "asd"), "seeds", "sheet", "--json"],
        cwd=root,
        env={**kept, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert "data set imagefolder is not fetched yet; fetching it" in made.stderr
    assert [sheet["pictures"] for sheet in json.loads(made.stdout)["sheets"]] == [12, 12, 12]
    for name in kit.classes:
        assert kit.asd(root, "add", "--class", name, "2,4", "7-9", "--by", "Ada") == 0
    assert kit.asd(root, "check") == 0
    assert capsys.readouterr().out.endswith("next: asd run -S seeds.use=keys\n")
    set_params(root, ["seeds.use=keys"])
    kit.step(root, "prepare", attack="none")
    kit.step(root, "poison", attack="none")
    kit.step(root, "seed", attack="none", trial=0)

    seeds = read_seed_set(layout.seed_set("imagefolder", "none", 0))
    shown = {s.key: (s.class_name, s.number) for s in read_numbers(layout.seed_sheets("imagefolder"))}
    picked = {shown[key] for key in seeds.keys}
    assert picked == {(name, number) for name in kit.classes for number in (2, 4, 7, 8, 9)}
    assert seeds.vouched_by == {"Ada": 15}


def test_sheets_are_not_for_git_and_lie_where_no_step_looks(workspace: Path) -> None:
    sheets = Layout(workspace).seed_sheets("imagefolder").relative_to(workspace)
    assert f"/{sheets.parts[0]}/" in (workspace / ".gitignore").read_text().splitlines()
    assert sheets.parts[0] not in (workspace / "dvc.yaml").read_text()


def test_the_first_numbers_take_both_vendors_in_turn(workspace: Path) -> None:
    layout = Layout(workspace)
    index = read_index(layout.fetched("imagefolder", "train"))
    source = dict(zip(index.keys, index.sources, strict=True))
    first = [s for s in read_numbers(layout.seed_sheets("imagefolder")) if s.class_name == "cat"][:8]
    assert sum("vendor_b" in source[s.key] for s in first) == 4


def test_adding_twice_is_no_mistake_and_changes_no_byte(
    kit: Any, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Layout(workspace).trusted_seeds
    before = file.read_bytes()
    assert kit.asd(workspace, "add", *CAT, "1", "--json") == 0
    assert file.read_bytes() == before
    said = json.loads(capsys.readouterr().out)
    assert (said["new"], len(said["already"]), said["have"]) == ([], 1, 1)


def test_a_key_can_be_added_without_its_number(kit: Any, workspace: Path) -> None:
    [shown] = [s for s in read_numbers(Layout(workspace).seed_sheets("imagefolder")) if s.number == 5][1:2]
    assert kit.asd(workspace, "add", *CAT, "--key", shown.key) == 0
    assert shown.key in {row.key for row in read_trusted(Layout(workspace).trusted_seeds)}


def test_list_prints_who_and_when(kit: Any, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kit.asd(workspace, "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in rows] == list(kit.classes)
    assert {row["by"] for row in rows} == {"Ada"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) for row in rows)


def test_check_tells_have_and_need_and_warns_of_few(
    kit: Any, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kit.asd(workspace, "check", "--json") == 0
    [found] = json.loads(capsys.readouterr().out)["datasets"]
    assert (found["need"], found["have"]) == (3, dict.fromkeys(kit.classes, 1))
    assert found["problems"] == []
    assert found["warnings"][0].startswith("fewer than 3 seeds for 'big owl' (1), 'cat' (1), 'dog' (1)")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("oracle", "nobody vouches for the labels of imagefolder: pick seeds with `asd seeds sheet`"),
        ("keys", "no seeds for imagefolder in seeds/trusted.csv yet: pick some with `asd seeds sheet`"),
        (
            "folder",
            "`asd source set seeds PATH`; or pick seeds from the training data with `asd seeds sheet`",
        ),
    ],
)
def test_a_run_without_seeds_points_to_the_sheets(
    kit: Any,
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    use: str,
    message: str,
) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    Layout(workspace).trusted_seeds.unlink()
    set_params(workspace, [f"seeds.use={use}"])
    kit.step(workspace, "prepare", attack="none")
    kit.step(workspace, "poison", attack="none")
    capsys.readouterr()

    assert cli.main([*SEED, "--workspace", str(workspace)]) in (2, 3)

    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) <= 2


def test_several_data_sets_must_be_told_apart(
    kit: Any, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params(workspace, ["cells.datasets=[imagefolder, digits]"])

    assert kit.asd(workspace, "add", *CAT, "1") == 2

    assert "say --dataset imagefolder or --dataset digits" in capsys.readouterr().err


def test_a_fetch_that_fails_says_why_and_ends_with_its_code(
    kit: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = kit.make_workspace(tmp_path)
    (Layout(root).locations).unlink()

    assert kit.asd(root, "sheet") == 2

    assert "asd: this machine does not know where data set imagefolder lies" in capfd.readouterr().err
