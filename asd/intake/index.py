"""Contents seen before, on disk: exact copies and near ones are found without holding all in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from asd.errors import DataError
from asd.store import disk_errors

TEST_SET = 0
"""The number of a drop that stands for the test set."""
NEAR_BITS = 3
"""Perceptual hashes up to so many bits apart are found: they agree in one of four bands."""
_BANDS = 4
_MOST_IN_BAND = 1024
_CACHE_KIB = 8192
_SCHEMA = """
create table if not exists contents (
  id integer primary key, content integer not null, trained integer not null,
  content_sha256 blob not null, trained_sha256 blob not null, hash integer not null,
  drop_number integer not null, label text not null, path text not null);
create index if not exists by_content on contents (content);
create index if not exists by_trained on contents (trained);
create table if not exists bands (
  band integer not null, hash integer not null, id integer not null,
  primary key (band, hash)) without rowid;
"""


@dataclass(frozen=True)
class Content:
    """A picture that was let in (or of the test set: drop 0).

    Attributes:
        content_sha256, trained_sha256, perceptual_hash, label, path: as in `Accepted`.
        drop: its number.
    """

    content_sha256: str
    trained_sha256: str
    perceptual_hash: int
    drop: int
    label: str
    path: str


class ContentIndex:
    """A table of contents in one SQLite file; derived, so that it may be deleted at any time.

    Args:
        path: the file; made when it is not there. None: a temporary one, gone when closed.

    Raises:
        DataError: the file is no such table.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        place = "" if path is None else str(path)  # "" is SQLite's word for a temporary file
        if path is not None:
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._base = sqlite3.connect(place, isolation_level=None)
            self._base.execute(f"pragma cache_size = -{_CACHE_KIB}")
            self._base.execute("pragma temp_store = file")
            if path is None:
                self._base.execute("pragma journal_mode = off")
            else:
                self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = off")
            self._base.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def __enter__(self) -> ContentIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __len__(self) -> int:
        return int(self._base.execute("select count(*) from contents").fetchone()[0])

    def drops(self) -> set[int]:
        """The numbers of the drops that it knows."""
        return {row[0] for row in self._base.execute("select distinct drop_number from contents")}

    def add(self, contents: Iterable[Content]) -> None:
        """Add pictures: all, or none if it fails.

        Raises:
            DataError: the disk is full, or the file is damaged.
        """
        try:
            self._base.execute("begin immediate")
            try:
                for content in contents:
                    self._add(content)
                self._base.execute("commit")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("rollback")
                raise
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _add(self, one: Content) -> None:
        content, trained = bytes.fromhex(one.content_sha256), bytes.fromhex(one.trained_sha256)
        near = _signed(one.perceptual_hash)
        cursor = self._base.execute(
            "insert into contents (content, trained, content_sha256, trained_sha256, hash, drop_number,"
            " label, path) values (?, ?, ?, ?, ?, ?, ?, ?)",
            (_start(content), _start(trained), content, trained, near, one.drop, one.label, one.path),
        )
        self._base.executemany(
            "insert or ignore into bands select ?1, ?2, ?3"
            f" where (select count(*) from (select 1 from bands where band = ?1 limit {_MOST_IN_BAND}))"
            f" < {_MOST_IN_BAND}",
            [(band, near, cursor.lastrowid) for band in _bands(one.perceptual_hash)],
        )

    def exact(self, pictures: Sequence[tuple[str, str]]) -> list[Content | None]:
        """For each (content_sha256, trained_sha256) who has one of the two: the test set, else the first."""
        found: dict[tuple[str, bytes], Content] = {}
        for column, place in (("content", 0), ("trained", 1)):
            whole = [bytes.fromhex(picture[place]) for picture in pictures]
            query = (
                f"select {column}_sha256, content_sha256, trained_sha256, hash, drop_number, label, path"
                f" from contents where {column} in ({_marks(whole)}) order by drop_number > 0, id"
            )
            for key, *row in self._select(query, [_start(one) for one in whole]):
                found.setdefault((column, key), _content(row))
        result = []
        for content, trained in pictures:
            both = (
                found.get(("content", bytes.fromhex(content))),
                found.get(("trained", bytes.fromhex(trained))),
            )
            there = [one for one in both if one is not None]
            result.append(min(there, key=lambda one: one.drop > TEST_SET) if there else None)
        return result

    def near(self, hashes: Sequence[int], bits: int) -> list[Content | None]:
        """For each perceptual hash who has one at most `bits` (0 to 3) away: the nearest.

        Where more than 1,024 different hashes share 16 bits, later ones are not found.
        """
        wanted = np.array([band for one in hashes for band in _bands(one)], np.int64).reshape(-1, _BANDS)
        bands = sorted({int(band) for band in wanted.ravel()})
        query = f"select band, hash, id from bands where band in ({_marks(bands)})"
        rows = np.array(self._select(query, bands).fetchall(), np.int64).reshape(-1, 3)
        rows = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
        starts = np.searchsorted(rows[:, 0], wanted)
        ends = np.searchsorted(rows[:, 0], wanted, side="right")
        best: list[int | None] = []
        for place, one in enumerate(hashes):
            spans = [rows[s:e, 1:] for s, e in zip(starts[place], ends[place], strict=True) if e > s]
            best.append(_nearest(np.concatenate(spans), one, bits) if spans else None)
        ids = sorted({one for one in best if one is not None})
        query = (
            "select id, content_sha256, trained_sha256, hash, drop_number, label, path from contents"
            f" where id in ({_marks(ids)})"
        )
        known = {key: _content(row) for key, *row in self._select(query, ids)}
        return [None if one is None else known[one] for one in best]

    def _select(self, query: str, values: Sequence[object]) -> sqlite3.Cursor:
        try:
            return self._base.execute(query, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> DataError:
        cure = "" if self._path is None else "; it is derived: delete it and try again"
        return DataError(f"index of contents {self._path or ''} cannot be used: {error}{cure}")


def _content(row: Sequence[object]) -> Content:
    content, trained, near, drop, label, path = row
    assert isinstance(content, bytes) and isinstance(trained, bytes)  # noqa: S101, PT018
    return Content(
        content.hex(), trained.hex(), int(str(near)) % 2**64, int(str(drop)), str(label), str(path)
    )


def _nearest(candidates: NDArray[np.int64], wanted: int, bits: int) -> int | None:
    """The id of the (hash, id) that differs in the fewest bits, the first of several."""
    away = np.bitwise_count(candidates[:, 0].view(np.uint64) ^ np.uint64(wanted))
    place = int(away.argmin())
    if away[place] > bits:
        return None
    return int(candidates[away == away[place], 1].min())


def _start(digest: bytes) -> int:
    """Its first 8 bytes as SQLite's integer: indexes are a quarter as large."""
    return int.from_bytes(digest[:8], "big", signed=True)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _bands(value: int) -> Iterator[int]:
    """Number and bits of each of the four 16-bit bands in one integer."""
    for band in range(_BANDS):
        yield band << 16 | (value >> (16 * band)) & 0xFFFF


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
