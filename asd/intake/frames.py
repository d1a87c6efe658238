"""Raw messages over a pipe: lists of byte strings with their lengths. Nothing is ever unpickled.

A frame is `<u32 bytes that follow> <u8 number of fields> (<u32 length> <bytes>)*`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence

_U32 = struct.Struct("<I")
_MOST_FIELDS = 16
CHUNK = 1 << 18


class FrameError(ValueError):
    """What came over the pipe is no frame, or too large a one."""


def parts(fields: Sequence[bytes]) -> list[bytes]:
    """The frame of some byte strings, at most 16, in pieces: none is copied."""
    found = [b"", bytes((len(fields),))]
    for field in fields:
        found += (_U32.pack(len(field)), field)
    found[0] = _U32.pack(sum(map(len, found)))
    return found


def pack(fields: Sequence[bytes]) -> bytes:
    """The frame of some byte strings in one."""
    return b"".join(parts(fields))


class FrameParser:
    """Cuts a stream of bytes into frames of at most `largest` bytes."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take what came over the pipe."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def frames(self) -> Iterator[list[bytes]]:
        """Every frame that is whole by now.

        Raises:
            FrameError: not a frame.
        """
        while len(self._buffer) - self._at >= 5:
            (size,) = _U32.unpack_from(self._buffer, self._at)
            if not 1 <= size <= self._largest:
                raise FrameError(f"a frame of {size} bytes")
            if len(self._buffer) - self._at - 4 < size:
                return
            start = self._at + 4
            self._at = start + size
            fields = _fields(self._buffer, start, self._at)
            if size > CHUNK:  # a large picture need not lie here until the next one comes
                del self._buffer[: self._at]
                self._at = 0
            yield fields
            del fields


def _fields(buffer: bytearray, at: int, end: int) -> list[bytes]:
    count, at, fields = buffer[at], at + 1, []
    if count > _MOST_FIELDS:
        raise FrameError(f"{count} fields")
    for _ in range(count):
        if at + 4 > end:
            raise FrameError("cut inside a length")
        (length,) = _U32.unpack_from(buffer, at)
        at += 4
        if at + length > end:
            raise FrameError("a field leaves its frame")
        fields.append(bytes(buffer[at : at + length]))
        at += length
    if at != end:
        raise FrameError("bytes behind the last field")
    return fields


def write_all(handle: int, data: bytes) -> None:
    """Write everything to a blocking pipe."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def write_frame(handle: int, fields: Sequence[bytes]) -> None:
    """Write a frame to a blocking pipe, a large one in pieces."""
    found = parts(fields)
    for part in found if sum(map(len, found)) > CHUNK else (b"".join(found),):
        write_all(handle, part)


def read_frames(handle: int, largest: int) -> Iterator[list[bytes]]:
    """Frames from a blocking pipe until it is closed."""
    parser = FrameParser(largest)
    while data := os.read(handle, CHUNK):
        parser.feed(data)
        yield from parser.frames()
