"""`asd init --data FIRST --as-drops`: a workspace for drops, made from the first of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asd.cli import main
from asd.own_data import workspace
from asd.own_data.facts import Machine
from asd.params import load_workspace
from asd.params_file import check_variants, complete_params
from tests.unit.own_data.pictures import class_folders, labelled


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "look_at_machine", lambda: Machine(cuda=False, bf16=False))


def test_the_first_drop_gives_classes_and_size_and_can_be_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, root = class_folders(tmp_path / "Acme July", {"cat": 40, "dog": 40}), tmp_path / "w"
    assert main(["init", str(root), "--data", str(first), "--as-drops"]) == 0
    said = capsys.readouterr().out
    assert f"asd drop add '{first}' --source NAME" in said
    assert "asd source set drops.test PATH" in said
    assert complete_params(root) == []
    space = load_workspace(root)
    check_variants(space)
    params = space.variant("datasets", "drops").params
    assert (params.class_names, params.image_size, params.channels) == (("cat", "dog"), 16, 3)
    assert (params.held_out, params.trusted) == (0.2, False)
    assert list(space.params.datasets) == ["drops"]
    assert space.params.seeds.use == "keys"
    add = ["drop", "add", str(first), "--source", "acme", "--workspace", str(root), "--json"]
    (root / ".dvc" / "config").unlink()  # without dvc, which takes seconds
    (root / ".dvc" / ".gitignore").unlink()
    (root / ".dvc").rmdir()
    assert main(add) == 0
    assert json.loads(capsys.readouterr().out)["accepted"] == 80


def test_a_labels_file_is_of_the_drop_and_not_of_the_data_set(tmp_path: Path) -> None:
    first, root = labelled(tmp_path / "first"), tmp_path / "w"
    assert main(["init", str(root), "--data", str(first), "--as-drops"]) == 0
    params = load_workspace(root).variant("datasets", "drops").params
    assert params.class_names == ("cat", "dog")


def test_a_test_part_has_no_place_in_a_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, root = tmp_path / "first", tmp_path / "w"
    class_folders(first / "train", {"cat": 40, "dog": 40})
    class_folders(first / "test", {"cat": 5, "dog": 5}, start=500)
    assert main(["init", str(root), "--data", str(first), "--as-drops"]) == 2
    assert "a drop brings no test set: give the training part alone" in capsys.readouterr().err
    assert not root.exists()


def test_it_goes_with_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "w"), "--as-drops"]) == 2
    assert "--as-drops go with --data PATH" in capsys.readouterr().err
