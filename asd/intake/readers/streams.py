"""Streams over archives: a part of a file, and what a compressed file holds, with its bombs defused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from asd.datasets._tars import Forward, OnDisk
from asd.errors import DataError
from asd.intake.readers.entry import ReadError

MOST_RATIO = 200
"""Unpacked bytes for one packed byte above which an archive is taken for a bomb; pictures give 1 or 2."""
_FREE = 64 * 2**20  # unpacked bytes for which no ratio is asked
_CHUNK = 2**18
_BUSY_EVERY = 16 * 2**20
_ERRORS = (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error)


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int, /) -> bytes: ...


class BombError(DataError):
    """An archive that unpacks to far more than it should: the whole drop is refused."""


class Budget:
    """Counts what comes out of a whole archive.

    Args:
        packed: bytes of the archive.
        most: bytes that may come out.
        busy: told now and then that work goes on.
    """

    def __init__(self, packed: int, most: int, busy: Callable[[], None]) -> None:
        self._allowed = min(most, _FREE + MOST_RATIO * packed)
        self._packed, self._most, self._busy = packed, most, busy
        self._out = self._said = 0

    def take(self, size: int) -> None:
        """So many bytes more came out.

        Raises:
            BombError: too many: the archive is a bomb, or larger than a drop may be.
        """
        self._out += size
        if self._out > self._allowed:
            if self._allowed == self._most:
                raise BombError(f"the archive unpacks to more than {self._most} bytes (intake.most_bytes)")
            raise BombError(f"the archive unpacks to more than {MOST_RATIO} times its size: a bomb")
        if self._out - self._said >= _BUSY_EVERY:
            self._said = self._out
            self._busy()


class ForwardOnly:
    """A stream that cannot go back, as `asd.datasets._tars.Forward`.

    Args:
        source: the stream.
        budget: counts what comes out; None: it was counted before.
    """

    def __init__(self, source: Readable, budget: Budget | None) -> None:
        self._source, self._budget, self._at = source, budget, 0

    def tell(self) -> int:
        """Bytes that came out so far."""
        return self._at

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end.

        Raises:
            DataError: what it comes from is damaged.
            BombError: it is a bomb.
        """
        parts, left = [], size
        while left and (part := self._part(min(left, _CHUNK))):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip_to(self, at: int) -> bool:
        """Read on to a byte; False if the stream ends before it."""
        while self._at < at:
            if not self._part(min(at - self._at, _CHUNK)):
                return False
        return True

    def _part(self, size: int) -> bytes:
        try:
            part = self._source.read(size)
        except MemoryError:
            raise DataError("it needs too much memory to be unpacked") from None
        except _ERRORS as error:
            raise DataError(f"what is packed is damaged: {error}") from error
        self._at += len(part)
        if self._budget is not None:
            self._budget.take(len(part))
        return part


def unpacked(stream: BinaryIO, size: int, budget: Budget) -> tuple[Forward, BinaryIO | None]:
    """What a .gz, .bz2 or .xz file or a plain one holds; and itself again where it is plain."""
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return ForwardOnly(gzip.GzipFile(fileobj=stream), budget), None
    if start.startswith(b"BZh"):
        return ForwardOnly(bz2.BZ2File(stream), budget), None
    if start == b"\xfd7zXZ\x00":
        return ForwardOnly(lzma.LZMAFile(stream), budget), None
    return OnDisk(stream, size), stream


class Window(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._stream.seek(self._start + self._at)
        left = max(0, min(len(buffer), self._size - self._at))
        data = self._stream.read(left)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class Piece(io.RawIOBase):
    """The next bytes of a stream that only goes forward, as a file."""

    def __init__(self, stream: Readable, size: int) -> None:
        super().__init__()
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(min(len(buffer), self._left, _CHUNK))
        except BombError:
            raise
        except DataError as error:
            raise ReadError("damaged-archive", str(error)) from error
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def spooled(stream: BinaryIO, spool: BinaryIO) -> BinaryIO:
    """A copy in a nameless temporary file, for what must be read back and forth."""
    spool.seek(0)
    spool.truncate()
    shutil.copyfileobj(stream, spool, _CHUNK)
    spool.seek(0)
    return spool
