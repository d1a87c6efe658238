"""Taking in a drop: what is written, when it is held, and that it is wholly there or not at all."""

from __future__ import annotations

import errno
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from asd.drop_records import read_records, union
from asd.errors import DataError, DiskError
from asd.intake import writer
from asd.intake.decisions import accept
from asd.intake.store import Arrival, hold_drops, store_drop
from asd.intake.types import Judged
from asd.intake_params import IntakeParams
from asd.shards.drop_folder import picture_key, verify_drop
from tests.unit.drops import made


def test_a_drop_becomes_shards_tables_and_a_record(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    sent = [made.accepted(1, "cat", "x/ö.jpg", ["animated"]), made.refused(2), made.accepted(3, "dog")]
    record = made.add(space, [*sent, *made.pictures(10, 20)])
    folder = space.layout.drop(1)
    verify_drop(folder, record.manifest_sha256)
    with tarfile.open(folder / "shard-000000.tar") as archive:
        key = picture_key(1, "x/ö.jpg")
        assert archive.extractfile(f"{key}.cls").read() == b"cat"  # type: ignore[union-attr]
        assert archive.extractfile(f"{key}.png").read() == sent[0].png  # type: ignore[union-attr]
        note = json.loads(archive.extractfile(f"{key}.json").read())  # type: ignore[union-attr]
        assert note == {"path": "x/ö.jpg", "file_sha256": sent[0].file_sha256}
        assert len(archive.getnames()) == 3 * 22
    index = pq.read_table(folder / "index.parquet").to_pylist()
    assert index[0]["path"] == "x/ö.jpg"
    assert index[0]["perceptual_hash"] == 2**64 - 2
    assert index[0]["flags"] == ["animated"]
    bad = pq.read_table(folder / "quarantine.parquet").to_pylist()
    assert [(row["path"], row["reason"], row["kept"]) for row in bad] == [
        ("cat/bad2.jpg", "broken-picture", True)
    ]
    kept = space.layout.quarantine(1) / sent[1].file_sha256
    assert kept.read_bytes() == b"evil 2"
    assert kept.stat().st_mode & 0o077 == 0
    assert (record.status, record.files, record.accepted, record.quarantined) == ("accepted", 23, 22, 1)
    assert (record.reasons, record.flags) == ({"broken-picture": 1}, {"animated": 1})
    assert record.classes == {"cat": 11, "dog": 11}


def test_the_same_drop_gives_the_same_bytes(tmp_path: Path) -> None:
    hashes = [
        made.add(made.workspace(tmp_path / name), [*made.pictures(0, 30), made.refused(1)]).manifest_sha256
        for name in ("a", "b")
    ]
    assert hashes[0] == hashes[1]


def test_a_drop_of_many_pictures_is_cut_into_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SHARD_SAMPLES", 8)
    space = made.workspace(tmp_path)
    record = made.add(space, made.pictures(0, 20))
    assert sorted(path.name for path in space.layout.drop(1).glob("*.tar")) == [
        *("shard-000000.tar", "shard-000001.tar", "shard-000002.tar")
    ]
    verify_drop(space.layout.drop(1), record.manifest_sha256)


# -- held ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judged", "why"),
    [
        ([*made.pictures(0, 9), made.refused(1)], ""),
        ([*made.pictures(0, 8), made.refused(1)], r"1 of 9 files were refused \(11.1%\), more than"),
        ([*made.pictures(0, 2), *(made.refused(n, "duplicate") for n in range(8))], ""),
        ([*made.pictures(0, 2), *(made.refused(n, "label-flip") for n in range(8))], "8 of 10 files"),
        ([*made.pictures(0, 99), made.refused(1, "unknown-label", "cow")], r"not known: 'cow' \(1\)"),
        ([*made.pictures(0, 99), made.refused(1, "damaged-archive")], "1 x damaged-archive"),
        ([made.refused(1, "duplicate")], "none of 1 files passed"),
        ([], "none of 0 files passed"),
    ],
)
def test_when_a_drop_waits_for_a_person(tmp_path: Path, judged: list[Judged], why: str) -> None:
    record = made.add(made.workspace(tmp_path), judged)
    assert record.status == ("held" if why else "accepted")
    assert bool(record.parts[0].order) is not bool(why)
    if why:
        assert any(re.search(why, text) for text in record.held_because), record.held_because


def test_labels_that_are_no_class_are_counted_by_name_up_to_a_hundred(tmp_path: Path) -> None:
    judged = [made.refused(n, "unknown-label", f"label {n}") for n in range(150)]
    record = made.add(made.workspace(tmp_path), judged)
    assert len(record.unknown_classes) == 101
    assert record.unknown_classes["…"] == 50


def test_a_held_drop_is_judged_anew_under_its_number(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    first = made.add(space, [made.accepted(1), made.refused(2, "unknown-label", "moggy")])
    made.add(space, made.pictures(100, 4), "b")
    again = made.add(space, [made.accepted(1), made.accepted(2, "cat")])
    assert (first.number, first.status) == (1, "held")
    assert (again.number, again.status, again.accepted) == (1, "accepted", 2)
    assert again.arrived == first.arrived
    assert [part.order for record in union(space.layout) for part in record.parts] == [2, 1]
    verify_drop(space.layout.drop(1), again.manifest_sha256)


# -- limits ------------------------------------------------------------------------------------------


def test_the_quarantine_keeps_bytes_up_to_its_cap_and_says_what_it_kept(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    params = IntakeParams(most_quarantine_bytes=13)  # two of six bytes
    made.add(space, [made.refused(n) for n in (1, 1, 2, 3)], params=params)
    kept = pq.read_table(space.layout.drop(1) / "quarantine.parquet")["kept"].to_pylist()
    assert kept == [True, True, True, False]
    assert len(list(space.layout.quarantine(1).iterdir())) == 2


def test_two_names_with_one_key_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = made.workspace(tmp_path)
    monkeypatch.setattr(writer, "picture_key", lambda number, path: "d0001_0123456789abcdef")
    with pytest.raises(DataError, match="same key"):
        made.add(space, made.pictures(0, 2))
    assert read_records(space.layout) == []


def test_text_of_strangers_that_is_no_utf8_is_kept_readable(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, [made.accepted(1, path="a\udcff.jpg")])
    assert pq.read_table(space.layout.drop(1) / "index.parquet")["path"].to_pylist() == ["a\\udcff.jpg"]


# -- wholly or not at all ----------------------------------------------------------------------------


def _failing(error: Exception, after: int) -> Iterator[Judged]:
    yield from made.pictures(0, after)
    yield made.refused(1)
    raise error


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (DataError("the archive is cut short"), DataError),
        (OSError(errno.ENOSPC, "No space left on device"), DiskError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_drop_that_fails_half_way_leaves_nothing(
    tmp_path: Path, error: Exception, wanted: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SHARD_SAMPLES", 4)
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(100, 10), "first")
    before = made.files(tmp_path)
    with pytest.raises(wanted):
        made.add(space, _failing(error, 10))
    assert made.files(tmp_path) == before
    assert made.add(space, made.pictures(0, 10)).number == 2


def test_a_drop_that_dvc_cannot_keep_leaves_nothing(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)

    def full(folder: Path) -> None:
        (folder.parent / f"{folder.name}.dvc").write_text("outs")
        raise DiskError("the disk is full")

    with pytest.raises(DiskError), hold_drops(space):
        store_drop(
            *(space.layout, Arrival("n", "acme", "a" * 64), made.pictures(0, 3), made.FORM, IntakeParams()),
            full,
        )
    assert list(space.layout.drops.iterdir()) == []
    assert read_records(space.layout) == []


def test_what_a_killed_command_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """As after a kill between the folder's rename and the record."""
    space = made.workspace(tmp_path)
    layout = space.layout
    made.add(space, made.pictures(0, 3))
    before = made.files(tmp_path)
    for name in ("data/drops/0002", "data/drops/.0002.tmp-7", ".asd/quarantine/0002"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "shard").write_text("half")
    (layout.drops / "0002.dvc").write_text("outs")
    (layout.local / "drop-add.json").write_text('["data/drops/0002", ".asd/quarantine/0002"]')
    with hold_drops(space):
        pass
    assert made.files(tmp_path) == before


def test_a_kill_right_after_the_record_loses_nothing(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, [*made.pictures(0, 30), made.refused(1)])
    before = made.files(tmp_path)
    (space.layout.local / "drop-add.json").write_text('["data/drops/0001", ".asd/quarantine/0001"]')
    with hold_drops(space):
        pass
    assert made.files(tmp_path) == before


def test_a_held_drop_whose_second_judging_was_cut_short_cannot_be_accepted(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, [made.accepted(1), made.refused(2)])
    manifest = space.layout.drop(1) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"count": 1', '"count": 2'))
    with pytest.raises(DataError, match="`asd drop add` once more"):
        accept(space, 1, "Ada")


def test_a_folder_that_no_record_names_is_left_alone(tmp_path: Path) -> None:
    """Its record may have been lost by mistake; only what this machine was making goes."""
    space = made.workspace(tmp_path)
    (space.layout.drops / "0007").mkdir(parents=True)
    assert made.add(space, made.pictures(0, 3)).number == 8
    assert (space.layout.drops / "0007").is_dir()
