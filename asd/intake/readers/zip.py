"""Zip archives of strangers, read strictly and as a stream: both headers of a member must say the same.

Python's `zipfile` holds a kilobyte for each member and believes the central directory alone.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from asd.intake.readers.entry import ReadError
from asd.intake.readers.seen import NameTable
from asd.intake.readers.streams import Budget, Window

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX16, _MAX32 = 2**16 - 1, 2**32 - 1
_MOST = 2**63 - 1  # bytes that a file can have, and a table can say
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 1, 1 << 11
_UNIX = 3
_CHUNK = 2**16
_DAMAGED = "damaged-archive"


@dataclass(frozen=True)
class _Directory:
    """Where the list of members stands: its first byte, its size, and how many members it says."""

    start: int
    size: int
    count: int


@dataclass(frozen=True)
class ZipFile:
    """A member."""

    name: str
    size: int
    problem: tuple[str, str] | None
    _file: BinaryIO
    _raw_name: bytes
    _method: int
    _packed: int
    _crc: int
    _at: int
    _budget: Budget

    @property
    def seekable(self) -> bool:
        """Whether its stream can go back."""
        return False

    def open(self) -> BinaryIO:
        """Its bytes, checked at their end.

        Raises:
            ReadError: its own header says something else than the list of members.
        """
        self._file.seek(self._at)
        head = self._file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            raise ReadError(_DAMAGED, f"no member at byte {self._at}")
        fields = _LOCAL.unpack(head)
        if self._file.read(fields[9]) != self._raw_name or fields[3] != self._method:
            raise ReadError(_DAMAGED, "the member's own header differs from the list of members")
        start = self._at + _LOCAL.size + fields[9] + fields[10]
        packed = Window(self._file, start, self._packed)
        return cast(BinaryIO, _Inflating(packed, self))


class _Inflating(io.RawIOBase):
    """What a member holds, with its size and CRC checked at the end."""

    def __init__(self, packed: Window, member: ZipFile) -> None:
        super().__init__()
        self._packed, self._member = packed, member
        self._inflate = None if member._method == _STORED else zlib.decompressobj(-15)
        self._tail = b""
        self._crc = self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._next(min(len(buffer), _CHUNK))
        self._crc = zlib.crc32(data, self._crc)
        self._out += len(data)
        self._member._budget.take(len(data))
        if self._out > self._member.size or (not data and self._differs):
            raise ReadError(_DAMAGED, "its bytes are not those that the archive's headers promise")
        buffer[: len(data)] = data
        return len(data)

    @property
    def _differs(self) -> bool:
        return self._out != self._member.size or self._crc != self._member._crc

    def _next(self, size: int) -> bytes:
        if self._inflate is None:
            return self._packed.read(size) or b""
        try:
            while not self._inflate.eof:
                self._tail = self._tail or self._packed.read(_CHUNK) or b""
                data = self._inflate.decompress(self._tail, size)
                at_end = not self._tail
                self._tail = self._inflate.unconsumed_tail
                if data:
                    return data
                if at_end:
                    raise ReadError(_DAMAGED, "cut short")
        except zlib.error as error:
            raise ReadError(_DAMAGED, f"what is packed is damaged: {error}") from error
        return b""


def zip_files(file: BinaryIO, size: int, budget: Budget) -> Iterator[ZipFile]:
    """The members of an archive in the order of its list.

    Raises:
        ReadError: it is damaged; nothing behind that place can be read.
    """
    directory = _find(file, size)
    seen, at, end = NameTable(), directory.start, directory.start + directory.size
    before = 0
    for _ in range(directory.count):
        file.seek(at)
        head = file.read(_CENTRAL.size)
        if at + _CENTRAL.size > end or head[:4] != b"PK\x01\x02":
            raise ReadError(_DAMAGED, f"the list of members is broken at byte {at}")
        fields = _CENTRAL.unpack(head)
        names = file.read(sum(fields[10:13]))
        at += _CENTRAL.size + sum(fields[10:13])
        if at > end:
            raise ReadError(_DAMAGED, "the list of members is cut short")
        member, stop = _member(file, fields, names, seen, budget, before)
        if stop > directory.start:
            raise ReadError(_DAMAGED, "a member reaches into the list of members")
        before = max(before, stop)
        if member is not None:
            yield member
    if at != end:
        raise ReadError(_DAMAGED, "bytes stand behind the list of members")


def _member(
    file: BinaryIO, fields: tuple[int, ...], names: bytes, seen: NameTable, budget: Budget, before: int
) -> tuple[ZipFile | None, int]:
    """A member, None for a folder; and the first byte behind what is known of it."""
    flags, method, crc, name_size, extra_size = fields[3], fields[4], fields[7], fields[10], fields[11]
    raw = names[:name_size]
    sizes = [fields[9], fields[8], fields[16]]
    size, packed, at = _large(sizes, names[name_size : name_size + extra_size])
    if max(size, packed, at) > _MOST:
        raise ReadError(_DAMAGED, f"a member of {max(size, packed, at)} bytes")
    name = _decoded(raw, flags)
    mode = fields[15] >> 16 if fields[1] >> 8 == _UNIX else 0
    stop = at + _LOCAL.size + name_size + packed
    if name.endswith("/") and not size:
        return None, stop
    problem = None
    if stat.S_ISLNK(mode):
        problem = ("link", "a symbolic link")
    elif name.endswith("/") or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        problem = ("not-a-file", f"a member with mode {mode:o}")
    elif not seen.put(name):
        problem = ("duplicate-name", "a member of that name came before")
    elif at < before:
        problem = ("overlap", f"it begins at byte {at}, inside another member or before it")
    elif flags & _ENCRYPTED:
        problem = ("encrypted", "it needs a password")
    elif method not in (_STORED, _DEFLATED):
        problem = ("archive-method", f"packed by method {method}")
    return ZipFile(name, size, problem, file, raw, method, packed, crc, at, budget), stop


def _large(sizes: list[int], extra: bytes) -> list[int]:
    """The sizes, those of 4 GiB and more from the field of ZIP64.

    Raises:
        ReadError: that field is missing or cut.
    """
    while any(size == _MAX32 for size in sizes) and len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1:
            values = extra[4 : 4 + length]
            for place, size in enumerate(sizes):
                if size == _MAX32:
                    if len(values) < 8:
                        raise ReadError(_DAMAGED, "a ZIP64 field is cut short")
                    sizes[place], values = int.from_bytes(values[:8], "little"), values[8:]
            return sizes
        extra = extra[4 + length :]
    return sizes


def _decoded(raw: bytes, flags: int) -> str:
    """UTF-8 where it says so or is; else the code page of DOS."""
    if flags & _UTF8:
        return raw.decode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _find(file: BinaryIO, size: int) -> _Directory:
    """The list of members: it must stand right before the archive's end, and count from its start.

    Raises:
        ReadError: there is none, or bytes stand before or behind the archive.
    """
    length = min(size, _END.size + _MAX16)
    file.seek(size - length)
    tail = file.read(length)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise ReadError(_DAMAGED, "the archive's end is missing")
    fields = _END.unpack_from(tail, place)
    if fields[7] != len(tail) - place - _END.size or fields[1:3] != (0, 0) or fields[3] != fields[4]:
        raise ReadError(_DAMAGED, "bytes stand behind the archive's end, or it has several parts")
    count, length, start, end = fields[4], fields[5], fields[6], size - len(tail) + place
    if count == _MAX16 or length == _MAX32 or start == _MAX32:
        count, length, start, end = _find64(file, end)
    if start + length != end:
        raise ReadError(_DAMAGED, "bytes stand before the archive, or its list of members is elsewhere")
    return _Directory(start, length, count)


def _find64(file: BinaryIO, end: int) -> tuple[int, int, int, int]:
    file.seek(max(0, end - _LOCATOR.size))
    locator = file.read(_LOCATOR.size)
    if len(locator) < _LOCATOR.size or locator[:4] != b"PK\x06\x07":
        raise ReadError(_DAMAGED, "the ZIP64 locator is missing")
    at = _LOCATOR.unpack(locator)[2]
    file.seek(at)
    record = file.read(_END64.size)
    if len(record) < _END64.size or record[:4] != b"PK\x06\x06":
        raise ReadError(_DAMAGED, "the ZIP64 end is missing")
    fields = _END64.unpack(record)
    if at + 12 + fields[1] != end - _LOCATOR.size or fields[6] != fields[7]:
        raise ReadError(_DAMAGED, "the ZIP64 end is elsewhere")
    return fields[7], fields[8], fields[9], at
