"""The records of drops: what is read back, what makes up the data set and in which order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from asd.drop_records import (
    Decision,
    DropRecord,
    Part,
    next_order,
    read_record,
    read_records,
    union,
    union_parts,
    union_sha256,
    write_record,
)
from asd.errors import DataError, ParamsError
from asd.layout import Layout


def record(number: int, order: int = 0, status: str = "accepted", more: tuple[Part, ...] = ()) -> DropRecord:
    own = Part(f"{number:04d}", 9, f"{number % 16:x}" * 64, order)
    return DropRecord(
        number=number,
        name="first",
        source="vendor",
        sha256="a" * 64,
        arrived="2026-11-23T00:00:00Z",
        status=status,  # type: ignore[arg-type]
        held_because=(),
        files=10,
        accepted=9,
        quarantined=1,
        reasons={"broken": 1},
        flags={},
        classes={"cat": 9},
        unknown_classes={},
        label_flips=0,
        parts=(own, *more),
        decisions=(Decision("2026-11-23T00:00:00Z", "Ada", "accept", "looked at it"),),
    )


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    layout, one = Layout(tmp_path), record(12, 3)
    write_record(layout, one)
    assert (tmp_path / "drops" / "0012.json").is_file()
    assert read_record(layout, 12) == one
    assert read_records(layout) == [one]


def test_there_are_no_drops_without_a_folder(tmp_path: Path) -> None:
    assert read_records(Layout(tmp_path)) == []
    with pytest.raises(ParamsError, match="there is no drop 7; `asd drop list`"):
        read_record(Layout(tmp_path), 7)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"0001"', '"../../x"'),
        ('"0001"', '"0002"'),
        ('"accepted": 9', '"accepted": "many"'),
        ('"status": "accepted"', '"status": "good"'),
        ("{", "["),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, old: str, new: str) -> None:
    layout = Layout(tmp_path)
    write_record(layout, record(1, 1))
    path = layout.drop_record(1)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=r"0001\.json"):
        read_record(layout, 1)


def test_the_union_leaves_out_held_and_withdrawn_drops(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for number, status in ((10000, "accepted"), (1, "accepted"), (2, "held"), (3, "withdrawn")):
        write_record(layout, record(number, number, status))
    assert [one.number for one in union(layout)] == [1, 10000]


def test_what_comes_later_stands_behind() -> None:
    """Drop 2 was accepted first, then the held drop 1, then pictures of 2 were readmitted."""
    again = Part("0002-r1", 1, "b" * 64, 3)
    records = [record(1, 2), record(2, 1, more=(again,)), record(3, 0, "held")]
    assert [part.folder for _, part in union_parts(records)] == ["0002", "0001", "0002-r1"]
    assert next_order(records) == 4


def test_the_hash_of_the_union_is_over_folders_sources_and_manifests_in_order() -> None:
    wanted = hashlib.sha256(f"0002\0vendor\0{'2' * 64}\n0001\0vendor\0{'1' * 64}\n".encode()).hexdigest()
    assert union_sha256([record(1, 2), record(2, 1)]) == wanted
    assert union_sha256([record(1, 2), record(2, 1, "withdrawn")]) != wanted
    assert union_sha256([]) == hashlib.sha256(b"").hexdigest()


def test_counts_of_pictures() -> None:
    one = replace(record(1, 1), parts=(Part("0001", 9, "1" * 64, 1), Part("0001-r1", 2, "2" * 64, 2)))
    assert (one.readmitted, one.pictures, one.manifest_sha256) == (2, 11, "1" * 64)
