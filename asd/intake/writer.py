"""What the gate says of a drop, written as it comes: shards, two tables, and bytes for the quarantine.

One shard and a few thousand rows are in memory at a time, and eight bytes a picture.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from asd import store
from asd.errors import DataError
from asd.intake.types import Accepted, Judged, Refused
from asd.shards import tar
from asd.shards.drop_folder import (
    FORMAT,
    INDEX_SCHEMA,
    QUARANTINE,
    QUARANTINE_SCHEMA,
    DropManifest,
    Form,
    picture_key,
    picture_note,
)
from asd.shards.manifest import INDEX, MANIFEST, Shard
from asd.shards.write import SHARD_SAMPLES

_ROWS = 8192
_SHARD_BYTES = 32 * 2**20


class _Table:
    """A Parquet file written in parts."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(c, field.type) for c, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file; what it holds is of no use."""
        self._rows = []
        try:
            self._writer.close()
        except (OSError, pa.ArrowException):  # a full disk, which has been told already
            return


class DropWriter:
    """Fills a folder with what the gate judged; use as a context manager.

    Attributes:
        count: pictures that passed.
        refused: files that did not.

    Args:
        folder: an empty folder.
        quarantine: a folder for bytes of refused files.
        number: of the drop; keys begin with it.
        most_quarantine_bytes: of refused files that are kept.
    """

    def __init__(self, folder: Path, quarantine: Path, number: int, most_quarantine_bytes: int) -> None:
        self.count = self.refused = 0
        self._folder, self._number = folder, number
        self._bytes_kept = _Quarantine(quarantine, most_quarantine_bytes)
        self._index = _Table(folder / INDEX, INDEX_SCHEMA)
        self._quarantined = _Table(folder / QUARANTINE, QUARANTINE_SCHEMA)
        self._shards: list[Shard] = []
        self._keys = array("Q")
        self._members: dict[str, bytes] = {}
        self._in_shard = self._shard_bytes = 0

    def __enter__(self) -> DropWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._index.abandon()
        self._quarantined.abandon()

    def add_all(self, judged: Iterable[Judged]) -> None:
        """Take in a whole stream."""
        for one in judged:
            if isinstance(one, Accepted):
                self._accept(one)
            else:
                self._refuse(one)

    def _accept(self, one: Accepted) -> None:
        path = _plain(one.path)
        key = picture_key(self._number, path)
        self._keys.append(int(key.rpartition("_")[2], 16))
        members = (one.png, one.label.encode(), picture_note(path, one.file_sha256))
        self._members.update(zip((f"{key}.png", f"{key}.cls", f"{key}.json"), members, strict=True))
        self._in_shard += 1
        self._shard_bytes += sum(map(len, members))
        self.count += 1
        self._index.add(
            (
                *(key, one.label, path, one.file_sha256, one.content_sha256, one.trained_sha256),
                *(one.width, one.height, one.perceptual_hash, list(one.flags), _plain(one.flagged_with)),
                self._shard_name(),
            )
        )
        if self._in_shard >= SHARD_SAMPLES or self._shard_bytes >= _SHARD_BYTES:
            self._close_shard()

    def _refuse(self, one: Refused) -> None:
        self.refused += 1
        label = None if one.label is None else _plain(one.label)
        kept = self._bytes_kept.keep(one)
        self._quarantined.add(
            (_plain(one.path), one.reason, _plain(one.message), label, one.file_sha256, one.size, kept)
        )

    def _shard_name(self) -> str:
        return f"shard-{len(self._shards):06d}.tar"

    def _close_shard(self) -> None:
        if self._in_shard:
            name = self._shard_name()
            sha256 = tar.write_archive(self._folder / name, self._members)
            self._shards.append(Shard(name, self._in_shard, sha256))
            self._members, self._in_shard, self._shard_bytes = {}, 0, 0

    def finish(self, folder_name: str, source: str, input_sha256: str, form: Form) -> DropManifest:
        """Write what is left and the manifest.

        Raises:
            DataError: two names have the same key.
        """
        self._close_shard()
        keys = np.frombuffer(self._keys, np.uint64) if self._keys else np.zeros(0, np.uint64)
        if len(np.unique(keys)) != len(keys):
            raise DataError("two names in this drop have the same key (64 bits of their hash); rename one")
        self._index.close()
        self._quarantined.close()
        manifest = DropManifest(
            format=FORMAT,
            folder=folder_name,
            source=source,
            input_sha256=input_sha256,
            form=form,
            count=self.count,
            quarantined=self.refused,
            shards=tuple(self._shards),
            index_sha256=store.file_sha256(self._folder / INDEX),
            quarantine_sha256=store.file_sha256(self._folder / QUARANTINE),
        )
        (self._folder / MANIFEST).write_bytes(manifest.to_bytes())
        return manifest


class _Quarantine:
    """Bytes of refused files by their hash, up to a cap; for this user's eyes only."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._left = folder, most_bytes
        self._made = False

    def keep(self, one: Refused) -> bool:
        """Whether the bytes of a refused file are kept."""
        if one.data is None or one.file_sha256 is None:
            return False
        if not self._made:
            self._folder.mkdir(parents=True, mode=0o700)
            self._made = True
        path = self._folder / one.file_sha256
        if path.exists():
            return True
        if len(one.data) > self._left:
            return False
        path.touch(mode=0o600)
        path.write_bytes(one.data)
        self._left -= len(one.data)
        return True


def _plain(text: str) -> str:
    """A stranger's text as UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()
