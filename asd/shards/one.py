"""Single pictures out of a merged view: no data set is decoded, and no whole index becomes Python objects.

The picture is looked up by its row and key in the view and checked by its content hash; a shard
is not hashed as a whole, since what is shown is bound to that hash anyway.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asd.errors import DataError
from asd.shards import tar
from asd.shards.manifest import Manifest, read_index, read_index_table, read_manifest
from asd.shards.png import decode_png
from asd.types import DataView, Images, SampleIndex, content_sha256

_SHARDS_KNOWN = 128
"""Shards whose table of members is kept; one of 10,000 samples takes about 0.4 MB."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class _Layer:
    """A folder of shards; `keys` only where rows alone do not tell what it holds (an overlay)."""

    folder: Path
    manifest: Manifest
    ends: np.ndarray[tuple[int], np.dtype[np.int64]]
    keys: pa.ChunkedArray | None

    @classmethod
    def open(cls, folder: Path, *, with_keys: bool) -> _Layer:
        manifest = read_manifest(folder)
        ends = np.cumsum([shard.count for shard in manifest.shards], dtype=np.int64)
        return cls(folder, manifest, ends, read_index_table(folder, manifest)["key"] if with_keys else None)

    def shard_of(self, row: int) -> Path:
        number = int(np.searchsorted(self.ends, row, side="right"))
        if row < 0 or number >= len(self.ends):
            raise DataError(f"{self.folder} has no sample number {row}")
        return self.folder / self.manifest.shards[number].name

    def row_of(self, key: str) -> int:
        """Place of a key in the layer, -1 if it is not there."""
        return -1 if self.keys is None else int(pc.index(self.keys, pa.scalar(key, pa.string())).as_py())


@dataclass(frozen=True)
class _Members:
    """Names, starts and sizes of a shard's pictures, sorted by name."""

    names: np.ndarray[tuple[int], np.dtype[np.bytes_]]
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    sizes: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, path: Path) -> _Members:
        with path.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                raise DataError(f"{path} is empty")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as archive:
                found = [one for one in tar.members(archive, str(path)) if one[0].endswith(b".png")]
        found.sort()
        starts = np.array([start for _, start, _ in found], np.int64)
        return cls(np.array([n for n, _, _ in found], np.bytes_), starts, np.array([s for *_, s in found]))

    def find(self, name: str, path: Path) -> tuple[int, int]:
        at = int(np.searchsorted(self.names, np.bytes_(name.encode())))
        if at >= len(self.names) or self.names[at] != name.encode():
            raise DataError(f"{path} holds no {name}")
        return int(self.starts[at]), int(self.sizes[at])


@dataclass
class SinglePictures:
    """Reads pictures of one view, one by one; may be used from several threads.

    Attributes:
        base: the data set.
        overlay: what lies over it by key, if anything.
        extra: what stands behind it, if anything.
        few: few pictures will be asked for, so none is worth a table of all members of its shard.
    """

    base: Path
    overlay: Path | None = None
    extra: Path | None = None
    few: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _opened: tuple[tuple[Stamp, ...], list[_Layer | None]] | None = field(default=None, repr=False)
    _members: OrderedDict[Path, tuple[Stamp, _Members]] = field(default_factory=OrderedDict, repr=False)

    def read(self, row: int, key: str, content: str) -> Images:
        """The picture of a sample, uint8, shape (C, H, W).

        Args:
            row: its place in the view, from 0.
            key: its key.
            content: its content hash (hex).

        Raises:
            DataError: the shard is gone, or holds another picture than this one.
        """
        path, layer = self._place(row, key)
        shape = layer.manifest.image_shape
        if self.few and (found := _by_halving(path, key, shape, content)) is not None:
            return found
        image = decode_png(self._bytes(path, f"{key}.png"), shape, f"{path}: {key}")
        if content_sha256(image) != content:
            raise DataError(f"{path}: the picture of {key} is not the one that the run saw")
        return image

    def shard_of(self, row: int, key: str) -> Path:
        """The shard in which a sample's picture should be; whether it is there is not looked at.

        Raises:
            DataError: the view has no such row, or a manifest or index is missing or damaged.
        """
        return self._place(row, key)[0]

    def _place(self, row: int, key: str) -> tuple[Path, _Layer]:
        base, overlay, extra = self._layers()
        assert base is not None  # noqa: S101
        layer, at = base, row
        if row >= base.manifest.count:
            if extra is None:
                raise DataError(f"{self.base} has no sample number {row}")
            layer, at = extra, row - base.manifest.count
        elif overlay is not None and (over := overlay.row_of(key)) >= 0:
            layer, at = overlay, over
        return layer.shard_of(at), layer

    def _layers(self) -> list[_Layer | None]:
        folders = [self.base, self.overlay, self.extra]
        stamps = tuple(_stamp(folder / "manifest.json") for folder in folders if folder is not None)
        with self._lock:
            if self._opened is None or self._opened[0] != stamps:
                layers = [
                    None if folder is None else _Layer.open(folder, with_keys=folder is self.overlay)
                    for folder in folders
                ]
                self._opened = (stamps, layers)
            return self._opened[1]

    def _bytes(self, path: Path, name: str) -> bytes:
        try:
            start, size = self._members_of(path).find(name, path)
            with path.open("rb") as stream:
                stream.seek(start)
                return stream.read(size)
        except OSError as error:
            raise DataError(f"missing shard {path}") from error

    def _members_of(self, path: Path) -> _Members:
        """Where the pictures of a shard stand; looked through again when the file has changed."""
        stamp = _stamp(path)
        with self._lock:
            known = self._members.get(path)
            if known is not None and known[0] == stamp:
                self._members.move_to_end(path)
                return known[1]
        found = _Members.of(path)
        with self._lock:
            self._members[path] = (stamp, found)
            while len(self._members) > _SHARDS_KNOWN:
                self._members.popitem(last=False)
        return found


def _stamp(path: Path) -> Stamp:
    """What changes when a file is replaced.

    Raises:
        DataError: there is no such file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"missing file {path}") from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def _by_halving(path: Path, key: str, shape: tuple[int, int, int], content: str) -> Images | None:
    """The picture of this content hash; None wherever anything is unusual, for the slow way to look at."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as archive:
            place = tar.find(archive, f"{key}.png")
            data = b"" if place is None else archive[place[0] : place[0] + place[1]]
        image = decode_png(data, shape, key)
    except (DataError, OSError, ValueError):
        return None
    return image if content_sha256(image) == content else None


def open_sparsely(folder: Path) -> DataView:
    """A data set of which few pictures will be read: each is decoded as it is asked for, none is kept.

    Its `images` can be indexed by an array of rows and has a shape, and that is all.

    Raises:
        DataError: the manifest or the index is missing or wrong.
    """
    manifest, index = read_manifest(folder), read_index(folder)
    images = cast(Images, _PicturesByRow(SinglePictures(folder, few=True), index, manifest.image_shape))
    return DataView(index, images, manifest.class_names, manifest.trusted)


@dataclass(frozen=True)
class _PicturesByRow:
    """What of an array of images is needed to read some."""

    pictures: SinglePictures
    index: SampleIndex
    image_shape: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.index), *self.image_shape)

    def __getitem__(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Images:
        found = np.empty((len(rows), *self.image_shape), np.uint8)
        for place, row in enumerate(rows.tolist()):
            found[place] = self.pictures.read(row, self.index.keys[row], self.index.content[row])
        return found
