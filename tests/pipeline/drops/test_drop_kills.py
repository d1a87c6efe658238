"""`kill -9` at any moment of `asd drop add`: the drop is wholly there or not at all, and is added once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from asd.drop_records import read_records
from asd.layout import Layout
from asd.new_workspace import create
from asd.params_file import set_params
from asd.readiness import make_ready
from asd.shards.drop_folder import verify_drop
from asd.sources import check_drops
from tests.processes import is_gone
from tests.unit.drops.test_commands import drop, jpeg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

CHECKOUT = Path(__file__).parents[3]
DRIVER = Path(__file__).with_name("killed_drop.py")
SEED, TIMES = 5, 12
Asd = Callable[..., int]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = create(tmp_path / "w", "drops").root
    set_params(made, ["datasets.drops.class_names=[cat, dog]", "datasets.drops.image_size=8"])
    make_ready(made)
    return made


@pytest.fixture
def asd(root: Path) -> Asd:
    def run(moment: dict[str, Any], *words: object) -> int:
        command = [sys.executable, str(DRIVER), json.dumps(moment), *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        with process:
            said = process.communicate()[0].decode()
        assert "Traceback" not in said, said
        assert all(map(is_gone, left_alive(root))), "a process outlived the command"
        return process.returncode

    return run


def left_alive(root: Path) -> list[int]:
    """Processes that work in the workspace."""
    return [one.pid for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(root)]


def sent(place: Path) -> Path:
    """60 pictures and two files that are quarantined."""
    drop(place, 0, 60)
    (place / "cat" / "junk.jpg").write_bytes(b"no picture")
    (place / "dog" / "flip.jpg").write_bytes(jpeg(0))
    return place


def check_one_whole_drop(root: Path) -> str:
    """One drop, its folder as its record says, under DVC, nothing beside it; returns its manifest's hash."""
    layout = Layout(root)
    records = read_records(layout)
    assert [(one.number, one.status, one.accepted, one.quarantined) for one in records] == [
        (1, "accepted", 60, 2)
    ]
    verify_drop(layout.drop(1), records[0].manifest_sha256)
    check_drops(layout, "drops")
    assert sorted(path.name for path in layout.drops.iterdir() if path.name != ".gitignore") == [
        *("0001", "0001.dvc")
    ]
    assert len(list(layout.quarantine(1).iterdir())) == 2
    assert not [path for path in root.rglob("*") if ".tmp-" in path.name]
    assert not (layout.local / "drop-add.json").exists()
    return records[0].manifest_sha256


def check_wholly_or_not_at_all(root: Path) -> None:
    layout = Layout(root)
    for record in read_records(layout):
        verify_drop(layout.drop(record.number), record.manifest_sha256)


def test_killed_before_every_rename_and_at_seeded_moments_a_drop_is_added_once(
    root: Path, asd: Asd, tmp_path: Path
) -> None:
    place, note = sent(tmp_path / "july"), tmp_path / "renames"
    add = ("drop", "add", place, "--source", "acme")
    unbroken = create(tmp_path / "unbroken", "drops").root
    set_params(unbroken, ["datasets.drops.class_names=[cat, dog]", "datasets.drops.image_size=8"])
    assert asd({"note": str(note)}, *add, "--workspace", unbroken) == 0
    wanted = check_one_whole_drop(unbroken)
    renames = len(json.loads(note.read_text()))
    generator = random.Random(SEED)
    moments = [{"rename": number} for number in range(1, renames + 1)]
    moments += [{"seconds": round(generator.uniform(0.3, 8), 2)} for _ in range(TIMES)]
    killed = 0
    for moment in moments:
        code = asd(moment, *add)
        assert code in (0, -9), moment
        killed += code == -9
        check_wholly_or_not_at_all(root)
        if code == 0 or read_records(Layout(root)):  # it is there: the same command must change nothing
            assert asd({}, *add) == 0
            assert check_one_whole_drop(root) == wanted
            forget(root)
    assert killed >= 5
    assert asd({}, *add) == 0
    assert check_one_whole_drop(root) == wanted


def forget(root: Path) -> None:
    """As if the drop had never come, so that it can be killed again."""
    layout = Layout(root)
    for folder in (layout.drop(1), layout.quarantine(1)):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    (layout.drops / "0001.dvc").unlink()
    layout.drop_record(1).unlink()


def test_a_held_drop_judged_anew_and_killed_is_never_half_accepted(
    root: Path, asd: Asd, tmp_path: Path
) -> None:
    place, labels = drop(tmp_path / "a", 0, 40, ("cat", "moggy")), tmp_path / "labels.csv"
    labels.write_text("sent,class\nmoggy,dog\n")
    assert asd({}, "drop", "add", place, "--source", "acme") == 4
    add = ("drop", "add", place, "--source", "acme", "--labels", labels)
    number, layout = 0, Layout(root)
    while read_records(layout)[0].status == "held":
        number += 1
        assert asd({"rename": number}, *add) in (0, -9)  # 0: it makes fewer renames than that
        assert asd({}, "drop", "show", 1) == 0
    assert number > 3
    assert asd({}, *add) == 0
    record = read_records(layout)[0]
    assert (record.number, record.status, record.accepted) == (1, "accepted", 40)
    verify_drop(layout.drop(1), record.manifest_sha256)
    check_drops(layout, "drops")


@pytest.mark.parametrize("what", ["withdraw", "readmit"])
def test_a_decision_killed_before_any_rename_is_made_or_not(
    root: Path, asd: Asd, tmp_path: Path, what: str
) -> None:
    assert asd({}, "drop", "add", sent(tmp_path / "a"), "--source", "acme") == 0
    more = ("--reason", "label-flip") if what == "readmit" else ()
    number, layout = 0, Layout(root)
    while not read_records(layout)[0].decisions:
        number += 1
        assert asd({"rename": number}, "drop", what, 1, *more, "--by", "Ada") == -9
    make_ready(root)  # as every `asd run` does
    check_drops(layout, "drops")
    record = read_records(layout)[0]
    assert len(record.decisions) == 1
    for part in record.parts:
        verify_drop(layout.drops / part.folder, part.manifest_sha256)
