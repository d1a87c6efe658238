"""`asd drop check`: the whole gate without storing anything."""

import json
from pathlib import Path

import pytest

from asd.cli import main
from tests.unit.drops.made import workspace
from tests.unit.intake.evils.kit import png


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    for number in range(12):
        path = tmp_path / "drop" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return tmp_path / "drop"


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = workspace(tmp_path / "workspace").layout.root
    (root / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(root)
    return root


def test_a_good_drop_would_be_accepted_and_nothing_is_stored(
    drop: Path, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drop", "check", str(drop)]) == 0
    said = capsys.readouterr().out
    assert "12 files: 12 accepted, 0 quarantined" in said
    assert f"this drop would be accepted; next: asd drop add {drop} --source NAME" in said
    assert not (inside / "drops").exists()
    assert not (inside / "data").exists()


def test_a_drop_that_would_be_held_ends_with_4_and_says_why(
    drop: Path, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (drop / "bird").mkdir()
    (drop / "bird" / "1.png").write_bytes(png(50))
    (drop / "cat" / "notes.txt").write_text("hello")
    assert main(["drop", "check", str(drop), "--json"]) == 4
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["would_be"], found["files"], found["accepted"], found["quarantined"]) == ("held", 14, 12, 2)
    assert found["reasons"] == {"not-a-picture": 1, "unknown-label": 1}
    assert found["unknown_classes"] == {"bird": 1}
    assert sorted(one["path"] for one in found["refused"]) == ["bird/1.png", "cat/notes.txt"]
    assert "this drop would be held: 2 of 14 files were refused" in err
    labels = inside.parent / "labels.csv"
    labels.write_text("sent,class\nbird,dog\n")
    assert main(["drop", "check", str(drop), "--labels", str(labels)]) == 0
    said = capsys.readouterr().out
    assert "cat/notes.txt: not-a-picture" in said
    assert "send such a picture" in said


def test_outside_of_a_workspace_any_class_will_do(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (drop / "cat").rename(drop / "chat")
    assert main(["drop", "check", str(drop), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"chat": 6, "dog": 6}


@pytest.mark.parametrize(("name", "code"), [("none", 2), ("file.bin", 3)])
def test_what_is_no_drop_is_one_line(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.bin").write_bytes(bytes(100))
    assert main(["drop", "check", name]) == code
    assert capsys.readouterr().err.count("\n") == 1
