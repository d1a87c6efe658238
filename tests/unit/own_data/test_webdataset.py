"""WebDataset tars of strangers: read strictly, nothing unpacked, nothing unpickled."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from asd.datasets import webdataset
from asd.datasets._base import LoadedSplit, Split
from asd.errors import DataError
from asd.progress import Reporter
from asd.types import Sample
from tests.unit.own_data.pictures import encoded, tar

QUIET = Reporter("fetch", "x", io.StringIO())


def opened(source: Path, split: Split, **params: Any) -> LoadedSplit:
    loaded: LoadedSplit = webdataset.load(webdataset.Params(**params), split, source, QUIET)
    return loaded


def samples(source: Path, split: Split, **params: Any) -> list[Sample]:
    return list(opened(source, split, **params).samples)


def pairs(labels: list[str], start: int = 0) -> list[tuple[str, bytes]]:
    found = []
    for i, label in enumerate(labels, start):
        found += [(f"{i:03d}.cls", label.encode()), (f"{i:03d}.png", encoded(i))]
    return found


def test_labels_are_names_or_numbers_of_cls_members(tmp_path: Path) -> None:
    tar(tmp_path / "train-0.tar", pairs(["10", "9", "9"]))
    tar(tmp_path / "test-0.tar", pairs(["9"], start=50))
    assert opened(tmp_path, "train").class_names == ("9", "10")
    assert [s.label for s in samples(tmp_path, "train")] == [1, 0, 0]
    assert [s.source for s in samples(tmp_path, "test")] == ["test-0.tar/050"]


@pytest.mark.parametrize("note", [{"label": "cat"}, {"class": "cat"}, {"class_name": " cat "}])
def test_a_label_may_stand_in_json(tmp_path: Path, note: dict[str, str]) -> None:
    members = [*pairs(["dog"]), ("a.jpg", encoded(7, form="JPEG")), ("a.json", json.dumps(note).encode())]
    tar(tmp_path / "all.tar", members)
    loaded = opened(tmp_path, "train", held_out=0.01)
    assert loaded.class_names == ("cat", "dog")
    assert [s.label for s in loaded.samples] == [1, 0]


def test_numbers_are_positions_where_classes_have_names(tmp_path: Path) -> None:
    tar(tmp_path / "train.tar", pairs(["1", "0"]))
    assert [s.label for s in samples(tmp_path, "train", class_names=["x", "y"])] == [1, 0]


def test_a_single_tar_is_divided_by_content(tmp_path: Path) -> None:
    source = tar(tmp_path / "all.tar", pairs(["a", "b"] * 20))
    train, test = ({s.source for s in samples(source, split, held_out=0.3)} for split in ("train", "test"))
    assert not train & test
    assert len(train | test) == 40
    assert test


def test_keys_stay_when_another_tar_is_added(tmp_path: Path) -> None:
    tar(tmp_path / "b.tar", pairs(["a", "b"]))
    before = {s.source: s.key for s in samples(tmp_path, "train", held_out=0.01)}
    tar(tmp_path / "a.tar", pairs(["a", "b"], start=9))
    after = {s.source: s.key for s in samples(tmp_path, "train", held_out=0.01)}
    assert len(set(after.values())) == 4
    assert {source: after[source] for source in before} == before


def test_long_names_and_folders_in_a_tar_are_understood(tmp_path: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / "all.tar"
        with tarfile.open(path, "w", format=form) as archive:
            folder = tarfile.TarInfo("pictures")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for i, (name, data) in enumerate(pairs(["a", "b"])):
                entry = tarfile.TarInfo(f"pictures/{'deep/' * 40}{'ä' if i < 2 else 'b'}{name}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        assert [s.label for s in samples(path, "train", held_out=0.001)] == [0, 1]


def test_pickles_and_other_members_are_not_read(tmp_path: Path) -> None:
    evil = b"cos\nsystem\n(S'touch /nowhere/x'\ntR."
    source = tar(
        tmp_path / "all.tar", [("a.cls", b"x"), ("a.png", encoded(1)), ("a.pyd", evil), ("a.pkl", evil)]
    )
    assert len(samples(source, "train", held_out=0.001)) == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "all.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("a.png")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(DataError, match=r"'a\.png' is a .*wanted regular files only"):
        samples(path, "train", held_out=0.1)


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tar(tmp_path / "all.tar", pairs(["a"])).read_bytes()
    # header, label, header, picture; cut in a header, in a member, and at a member boundary
    for end in (300, 700, 1024, 1024 + 512 + 100):
        (tmp_path / "all.tar").write_bytes(whole[:end])
        with pytest.raises(DataError, match="cut short"):
            samples(tmp_path / "all.tar", "train", held_out=0.1)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.png", b"")], "all.tar/a has no label: wanted KEY.cls, or KEY.json"),
        ([("a.png", b""), ("a.cls", b"\xff")], "its .cls is not UTF-8 text"),
        ([("a.png", b""), ("a.json", b"[" * 100_000)], "its .json is not valid JSON"),
        ([("a.png", b""), ("a.json", b'{"label": [1]}')], r"its label is \[1\], wanted a name"),
        ([("a.cls", b"x"), ("b.cls", b"x"), ("a.png", b"")], "of sample 'a' do not stand together"),
        ([("a.cls", b"x"), ("a.cls", b"y")], "member 'a.cls' is doubled"),
    ],
)
def test_a_sample_that_is_not_in_order_is_named(
    tmp_path: Path, members: list[tuple[str, bytes]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        samples(tar(tmp_path / "all.tar", members), "train", held_out=0.1)


def test_a_compressed_tar_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "all.tar").write_bytes(b"\x1f\x8b" + bytes(range(256)) * 4)
    with pytest.raises(DataError, match=r"no tar member at byte 0.*is it compressed"):
        samples(tmp_path / "all.tar", "train", held_out=0.1)


def test_a_sample_without_a_picture_is_left_out_on_record(tmp_path: Path) -> None:
    source = tar(tmp_path / "all.tar", [*pairs(["a", "b"]), ("x.cls", b"a"), ("x.pdf", b"%PDF")])
    with pytest.raises(DataError, match=r"all.tar/x: no picture among its members \(cls, pdf\)"):
        samples(source, "train", held_out=0.001)
    loaded = opened(source, "train", held_out=0.001, unreadable="leave_out")
    assert len(list(loaded.samples)) == 2
    assert [(one.source, one.reason) for one in loaded.left_out] == [
        ("all.tar/x", "no picture among its members (cls, pdf)")
    ]


def test_a_label_that_the_training_tars_lack_is_named(tmp_path: Path) -> None:
    tar(tmp_path / "train" / "0.tar", pairs(["cat", "dog"]))
    tar(tmp_path / "test" / "0.tar", pairs(["cats"]))
    with pytest.raises(DataError, match=r"test/0.tar/000 has label 'cats', .*did you mean 'cat'"):
        samples(tmp_path, "test")
