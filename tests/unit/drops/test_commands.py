"""`asd drop` with the real gate, on small folders of JPEG."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from asd.cli import main
from asd.drop_records import read_record
from asd.intake.decisions import accept
from asd.layout import Layout
from asd.shards.drop_folder import picture_key, read_drop_index, read_drop_manifest
from asd.shards.png import encode_png
from asd.shards.read import iter_samples
from tests.unit.drops import made
from tests.unit.drops.test_dataset import fetched

DROPS = "{class_names: [cat, dog], image_size: 8}"


def jpeg(number: int) -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(made.picture(number, 12).transpose(1, 2, 0))
    picture.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def drop(root: Path, start: int, count: int, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    for number in range(start, start + count):
        path = root / names[number % len(names)] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose data set is made from drops."""
    made.workspace(tmp_path / "w", DROPS)
    (tmp_path / "w" / "dvc.yaml").write_text("stages: {}\n")
    return tmp_path / "w"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: object, code: int = 0) -> str:
        assert main([*map(str, words), "--workspace", str(root)]) == code
        said = capsys.readouterr()
        return said.out if code in (0, 4) else said.err

    return command


def test_a_folder_becomes_a_drop_and_the_same_folder_changes_nothing(
    root: Path, run: Any, tmp_path: Path
) -> None:
    sent = drop(tmp_path / "july", 0, 12)
    found = json.loads(run("drop", "add", sent, "--source", "acme", "--json"))
    assert (found["number"], found["name"], found["source"]) == (1, "july", "acme")
    assert (found["status"], found["accepted"], found["quarantined"]) == ("accepted", 12, 0)
    assert found["new"] is True
    before = made.files(root)
    again = json.loads(run("drop", "add", sent, "--source", "other", "--name", "else", "--json"))
    assert (again["number"], again["source"], again["new"]) == (1, "acme", False)
    assert made.files(root) == before
    assert "nothing changed: this is drop 1" in run("drop", "add", sent, "--source", "acme")


def test_copies_flips_and_junk_are_quarantined_by_reason(root: Path, run: Any, tmp_path: Path) -> None:
    run("drop", "add", drop(tmp_path / "a", 0, 30), "--source", "acme")
    second = drop(tmp_path / "b", 100, 40)
    (second / "cat" / "copy.jpg").write_bytes(jpeg(0))
    (second / "dog" / "flip.jpg").write_bytes(jpeg(2))
    (second / "cat" / "=junk.jpg").write_bytes(b"no picture")
    found = json.loads(run("drop", "add", second, "--source", "beta", "--json"))
    assert found["reasons"] == {"duplicate": 1, "label-flip": 1, "not-a-picture": 1}
    assert (found["status"], found["label_flips"]) == ("accepted", 1)
    shown = run("drop", "show", 2)
    assert "43 files: 40 accepted, 3 quarantined" in shown
    assert "1 duplicate: the same picture with the same label came before" in shown
    listed = json.loads(run("drop", "list", "--json"))
    assert [(one["number"], one["accepted"], one["quarantined"]) for one in listed] == [
        (1, 30, 0),
        (2, 40, 3),
    ]


def test_pictures_of_a_withdrawn_drop_may_come_again(root: Path, run: Any, tmp_path: Path) -> None:
    run("drop", "add", drop(tmp_path / "a", 0, 12), "--source", "acme")
    run("drop", "withdraw", 1, "--by", "Ada")
    found = json.loads(run("drop", "add", drop(tmp_path / "b", 0, 14), "--source", "acme", "--json"))
    assert (found["accepted"], found["quarantined"]) == (14, 0)


def test_a_drop_without_a_class_says_so_when_it_is_taken_in_and_later(
    root: Path, run: Any, tmp_path: Path
) -> None:
    sent = drop(tmp_path / "a", 0, 12, ("cat",))
    for said in (run("drop", "add", sent, "--source", "acme"), run("drop", "show", 1)):
        assert "  note: no picture of 'dog'\n" in said


def test_copies_are_found_after_the_size_of_the_pictures_was_changed(
    root: Path, run: Any, tmp_path: Path
) -> None:
    """The same pixels at the trained size, other pixels as sent: only the new form tells."""
    run("drop", "add", drop(tmp_path / "a", 0, 12), "--source", "acme")
    made.workspace(root, "{class_names: [cat, dog], image_size: 1}")
    path = tmp_path / "b" / "cat" / "same_dot.png"
    path.parent.mkdir(parents=True)
    with Image.open(io.BytesIO(jpeg(0))) as picture:
        dot = picture.convert("RGB").resize((1, 1), Image.Resampling.BILINEAR)
    dot.resize((3, 3), Image.Resampling.NEAREST).save(path)
    run("drop", "add", tmp_path / "b", "--source", "acme", code=4)
    assert read_record(Layout(root), 2).reasons == {"duplicate": 1}


# -- held ------------------------------------------------------------------------------------------


def test_a_drop_with_an_unknown_class_waits_and_says_how_it_is_let_in(
    root: Path, run: Any, tmp_path: Path
) -> None:
    sent = drop(tmp_path / "a", 0, 20, ("cat", "moggy"))
    said = run("drop", "add", sent, "--source", "acme", code=4)
    assert "10 files are of classes that are not known: 'moggy' (10)" in said
    cures = ("report 1", "add PATH --source acme --labels FILE", "accept 1 --by NAME", "withdraw 1")
    for cure in cures:
        assert f"asd drop {cure}" in said
    labels = tmp_path / "labels.csv"
    labels.write_text("sent,class\nmoggy,cat\n")
    found = json.loads(run("drop", "add", sent, "--source", "acme", "--labels", labels, "--json"))
    assert (found["number"], found["status"], found["classes"]) == (1, "accepted", {"cat": 20})


def test_a_held_drop_can_be_accepted_withdrawn_and_restored(root: Path, run: Any) -> None:
    made.add(made.workspace(root, DROPS), [made.accepted(1), made.refused(2, "unknown-label", "moggy")])
    run("drop", "withdraw", 1, "--by", "Ada")
    run("drop", "restore", 1, "--by", "Ada")
    assert read_record(Layout(root), 1).status == "held"
    found = json.loads(run("drop", "accept", 1, "--by", "Ada", "--note", "asked them", "--json"))
    assert (found["status"], found["parts"][0]["order"]) == ("accepted", 1)
    assert [one["what"] for one in found["decisions"]] == ["withdraw", "restore", "accept"]
    assert "Ada: accept: asked them" in run("drop", "show", 1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("accept", 1, "--by", "Ada"), 2, "drop 1 is accepted, only a held one can be accepted"),
        (("restore", 1, "--by", "Ada"), 2, "drop 1 is accepted, not withdrawn"),
        (("withdraw", 5, "--by", "Ada"), 2, "there is no drop 5"),
        (("withdraw", 1, "--by", "=Ada"), 2, "--by '=Ada'"),
        (("show", 5), 2, "there is no drop 5; `asd drop list`"),
        (("report", 1, "--out", "x.pdf"), 2, "ends in .html or .csv"),
        (("readmit", 1, "--by", "Ada"), 2, "give KEY or --reason CODE"),
        (("readmit", 1, "nothing.jpg", "--by", "Ada"), 2, "it names none"),
        (("readmit", 1, "--reason", "duplicate", "--by", "Ada"), 2, "no file refused as 'duplicate'"),
        (("readmit", 1, "x", "--label", "owl", "--by", "Ada"), 2, "--label 'owl' is none of the classes"),
        (("add", "/nowhere", "--source", "acme"), 2, "there is no drop at /nowhere"),
        (("add", "/tmp", "--source", "../x"), 2, "--source '../x'"),
        (("add", "/tmp", "--source", "acme", "--name", "a\nb"), 2, "--name 'a\\nb'"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(
    root: Path, run: Any, tmp_path: Path, words: tuple[object, ...], code: int, said: str
) -> None:
    made.add(made.workspace(root, DROPS), made.pictures(0, 12))
    before = made.files(root)
    text = run("drop", *words, code=code)
    assert said in text
    assert text.count("\n") == 1
    assert made.files(root) == before


def test_a_workspace_without_drops_is_told_how_to_get_one(root: Path, run: Any, tmp_path: Path) -> None:
    made.workspace(root, "{use: digits}")
    said = run("drop", "add", drop(tmp_path / "a", 0, 4), "--source", "acme", code=2)
    assert "asd init DIR --preset drops" in said


def test_the_status_names_a_drop_that_waits(root: Path) -> None:
    from asd.operations.status import _needs

    space = made.workspace(root, DROPS)
    assert any("no accepted drop yet: `asd drop add PATH" in text for text in _needs(space, []))
    made.add(space, [made.accepted(1), made.refused(2, "unknown-label", "moggy")])
    needs = [text for text in _needs(space, []) if text.startswith("drop 1")]
    assert len(needs) == 1
    assert "not known: 'moggy' (1): `asd drop show 1`" in needs[0]


def test_the_data_set_has_no_source_to_be_set(run: Any, tmp_path: Path) -> None:
    said = run("source", "set", "drops", tmp_path, code=2)
    assert "made from drops: `asd drop add PATH" in said


# -- readmit and report ------------------------------------------------------------------------------


@pytest.fixture
def second(root: Path) -> None:
    """A second drop with a copy, a flip, an unknown class and a broken file, as the gate refuses them."""
    space = made.workspace(root, DROPS)
    made.add(space, made.pictures(0, 30), "a", source="acme")
    evil = [
        made.refused(1, "duplicate", path="cat/copy.jpg", data=jpeg(0)),
        made.refused(2, "label-flip", "dog", path="dog/flip.jpg", data=encode_png(made.picture(2))),
        made.refused(3, "unknown-label", "moggy", path="moggy/=x.jpg", data=jpeg(500)),
        made.refused(4, path="cat/<b>broken.jpg", data=jpeg(501)[:200]),
    ]
    made.add(space, [*made.pictures(100, 60), *evil], "b", source="beta")
    accept(space, 2, "Ada")


def test_a_refused_picture_is_let_in_by_name_and_recorded(root: Path, run: Any, second: None) -> None:
    layout = Layout(root)
    old = made.files(layout.drop(2))
    found = json.loads(
        run("drop", "readmit", 2, "moggy/=x.jpg", "--label", "cat", "--by", "Bob", "--note", "ok", "--json")
    )
    assert (found["new"], found["readmitted"], found["left"]) == (1, 1, {})
    assert found["parts"][1]["folder"] == "0002-r1"
    assert found["decisions"][-1] | {"at": ""} == {
        "at": "",
        "by": "Bob",
        "what": "readmit",
        "note": "ok",
        "key": "moggy/=x.jpg",
    }
    assert made.files(layout.drop(2)) == old
    folder = layout.drops / "0002-r1"
    row = read_drop_index(folder, read_drop_manifest(folder)).to_pylist()[0]
    assert (row["key"], row["path"], row["label"]) == (picture_key(2, "moggy/=x.jpg"), "moggy/=x.jpg", "cat")
    assert "readmitted" in row["flags"]


def test_readmitted_pictures_are_trained_on(root: Path, run: Any, second: None) -> None:
    """Also one that came before with another label: a person has said that this one is right."""
    run("drop", "readmit", 2, picture_key(2, "dog/flip.jpg"), "--by", "Ada")
    space = made.workspace(root, DROPS)
    fetched(space)
    folders = [space.layout.fetched("drops", part) for part in ("train", "test")]
    found = {s.source: s.label for folder in folders for s in iter_samples(folder)}
    assert len(found) == 30 + 60 + 1
    assert found["beta/drop-0002/dog/flip.jpg"] == 1


def test_what_cannot_be_decoded_or_is_there_already_is_not_readmitted(
    root: Path, run: Any, second: Path
) -> None:
    before = made.files(root)
    assert "nothing of drop 2 was readmitted: cat/" in run(
        *("drop", "readmit", 2, "--reason", "broken-picture", "--by", "Ada"), code=3
    )
    assert made.files(root) == before
    run("drop", "readmit", 2, "dog/flip.jpg", "--by", "Ada")
    said = run("drop", "readmit", 2, "dog/flip.jpg", "--by", "Ada", code=3)
    assert "a picture of this name is in the drop already" in said
    for file in Layout(root).quarantine(2).iterdir():
        file.unlink()
    said = run("drop", "readmit", 2, "cat/copy.jpg", "--by", "Ada", code=3)
    assert "not in the quarantine of this machine" in said


def test_a_report_of_a_drop_without_a_refused_file_has_a_head_only(
    root: Path, run: Any, tmp_path: Path
) -> None:
    made.add(made.workspace(root, DROPS), made.pictures(0, 12))
    run("drop", "report", 1, "--out", tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(newline="") as stream:
        assert [row[:3] for row in csv.reader(stream)] == [["file", "label", "reason"]]
    said = run("drop", "report", 1, "--out", tmp_path.with_suffix(".csv"), code=0)
    assert "0 refused files" in said
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in run("drop", "report", 1, "--out", tmp_path / "folder.csv", code=2)
    assert "is there already; --force" in run("drop", "report", 1, "--out", tmp_path / "r.csv", code=2)
    run("drop", "report", 1, "--out", tmp_path / "r.csv", "--force")


def test_what_was_readmitted_stays_when_a_held_drop_is_judged_anew(
    root: Path, run: Any, tmp_path: Path
) -> None:
    """Of the two flips that Ada let in one passes by itself later, of the moggies all do."""
    run("drop", "add", drop(tmp_path / "a", 0, 20), "--source", "acme")
    sent = drop(tmp_path / "b", 100, 12, ("cat", "dog", "moggy"))
    flips = {"dog/flip.jpg": 0, "dog/flop.jpg": 2}
    for name, number in flips.items():
        (sent / name).write_bytes(jpeg(number))
    run("drop", "add", sent, "--source", "beta", code=4)
    run("drop", "readmit", 2, "--reason", "label-flip", "--by", "Ada")
    said = run("drop", "readmit", 2, "--reason", "unknown-label", "--label", "cat", "--by", "Ada")
    assert "asd drop accept 2 --by NAME" in said
    run("drop", "withdraw", 1, "--by", "Ada")
    run("drop", "add", drop(tmp_path / "c", 2, 1), "--source", "acme", code=0)
    labels = tmp_path / "labels.csv"
    labels.write_text("sent,class\nmoggy,cat\n")
    found = json.loads(run("drop", "add", sent, "--source", "beta", "--labels", labels, "--json"))
    assert found["status"] == "accepted"
    assert [(part["folder"], part["count"]) for part in found["parts"]] == [("0002", 13), ("0002-r3", 1)]
    layout = Layout(root)
    folder = layout.drops / "0002-r3"
    row = read_drop_index(folder, read_drop_manifest(folder)).to_pylist()[0]
    assert (row["path"], row["label"]) == ("dog/flop.jpg", "dog")
    assert [part["order"] for part in found["parts"]] == [3, 4]
    assert not (layout.drops / "0002-r1").exists()
    space = made.workspace(root, DROPS)
    fetched(space)
    folders = [space.layout.fetched("drops", part) for part in ("train", "test")]
    assert "beta/drop-0002/dog/flop.jpg" in {s.source for f in folders for s in iter_samples(f)}


def test_the_report_for_the_vendor_names_file_reason_and_cure(run: Any, second: Path, tmp_path: Path) -> None:
    run("drop", "report", 2, "--out", tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {"cat/copy.jpg", "dog/flip.jpg", "moggy/=x.jpg", "cat/<b>broken.jpg"}
    assert rows["cat/copy.jpg"]["reason"] == "duplicate"
    assert rows["cat/copy.jpg"]["mend"] == "send it once"
    assert rows["cat/copy.jpg"]["key"] == picture_key(2, "cat/copy.jpg")
    run("drop", "report", 2, "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "cat/&lt;b&gt;broken.jpg" in page
    assert "<b>" not in page
    assert "the label is none of the classes" in page


def test_a_formula_in_a_file_name_is_disarmed_in_the_csv(root: Path, run: Any, tmp_path: Path) -> None:
    evil = replace(made.refused(1), path="=cmd()/x.jpg")
    made.add(made.workspace(root, DROPS), [*made.pictures(0, 12), evil])
    run("drop", "report", 1, "--out", tmp_path / "r.csv")
    assert '"\'=cmd()/x.jpg"' in (tmp_path / "r.csv").read_text()


def test_a_picture_of_the_test_set_is_refused(root: Path, run: Any, tmp_path: Path) -> None:
    drop(tmp_path / "t", 700, 4)
    run("source", "set", "drops.test", tmp_path / "t")
    sent = drop(tmp_path / "a", 0, 30)
    (sent / "cat" / "cheat.jpg").write_bytes(jpeg(700))
    found = json.loads(run("drop", "add", sent, "--source", "acme", "--json"))
    assert found["reasons"] == {"duplicate-of-test": 1}
