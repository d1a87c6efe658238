"""Bringing a drop here from an object store, as a stream, into one local file.

The names of the objects are texts of strangers and never become names on disk: a drop of several
objects becomes one tar archive with them as members, which the gate judges like any other; a drop
of one object keeps its ending and nothing else of its name.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

from asd import store
from asd.errors import DataError, DiskError
from asd.intake.arrivals import MARKER, objects, open_store, store_error
from asd.layout import Layout
from asd.progress import Reporter

_CHUNK = 2**20
_ENDING = re.compile(r"(\.[a-z0-9]{1,8}){1,2}$")
_ROOM = 2**28  # bytes that stay free on the disk


def staged(layout: Layout, address: str, most_bytes: int, reporter: Reporter) -> Path:
    """Download the drop at `address` to a file of its own; the file.

    The same names and bytes give the same file, byte for byte. What an earlier, broken download
    left is replaced.

    Raises:
        DataError: nothing lies there, it is larger than `most_bytes`, it changed meanwhile, or the
            store does not answer.
        DiskError: the disk has no room for it.
    """
    system, path = open_store(address)
    found = {name: facts for name, facts in sorted(objects(address).items()) if name != MARKER}
    if not found:
        raise DataError(f"{address}: no object is there any more")
    size = sum(int(facts["size"]) for facts in found.values())
    if size > most_bytes:
        raise DataError(f"{address} has {size:,} bytes; intake.most_bytes is {most_bytes:,}")
    place = hashlib.sha256(address.encode()).hexdigest()[:16]
    layout.staging.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(layout.staging).free < size + _ROOM:
        raise DiskError(f"{layout.staging}: {size:,} bytes of {address} do not fit on the disk")
    alone = list(found) == [""]
    ending = _ENDING.search(address.rpartition("/")[2].lower()) if alone else None
    target = layout.staging / (place + ((ending[0] if ending else "") if alone else ".tar"))
    progress = _Progress(reporter, size)
    with store.atomic_file(target) as temporary, temporary.open("wb") as out:
        try:
            if alone:
                with _open(system, path) as stream:
                    shutil.copyfileobj(_Exactly(stream, size, progress), out, _CHUNK)
            else:
                _pack(system, path.rstrip("/"), found, out, progress)
        except DataError:
            raise
        except Exception as error:  # what a store raises is of many kinds
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise store_error(address, error) from error
    return target


class _Progress:
    """Says how many bytes are here, at every hundredth of them."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter, self._total, self._done, self._said = reporter, max(total, 1), 0, 0

    def add(self, count: int) -> None:
        self._done += count
        if self._done - self._said >= self._total / 100:
            self._said = self._done
            self._reporter.progress(min(self._done, self._total), self._total, "bytes")


def _open(system: Any, path: str) -> Any:
    return system.open(path, "rb", block_size=_CHUNK, cache_type="readahead")


class _Exactly:
    """Reads a stream that must have as many bytes as its listing promised."""

    def __init__(self, stream: Any, size: int, progress: _Progress) -> None:
        self._stream, self._left, self._progress = stream, size, progress

    def read(self, count: int = _CHUNK, /) -> bytes:
        chunk: bytes = self._stream.read(min(count, self._left + 1))
        self._left -= len(chunk)
        if self._left < 0 or (not chunk and self._left):
            raise DataError("it changed while it was downloaded")
        self._progress.add(len(chunk))
        return chunk


def _pack(
    system: Any, prefix: str, found: dict[str, dict[str, Any]], out: BinaryIO, progress: _Progress
) -> None:
    """All objects as one plain tar, sorted, without times or owners."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, facts in found.items():
            member = tarfile.TarInfo(name)
            member.size = int(facts["size"])
            with _open(system, f"{prefix}/{name}") as stream:
                archive.addfile(member, _Exactly(stream, member.size, progress))
                if stream.read(1):
                    raise DataError("it changed while it was downloaded")
