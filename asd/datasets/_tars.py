"""Tar archives of strangers: members listed strictly, read in place; nothing is ever unpacked.

GNU and POSIX long names are understood and folders skipped; links, devices and anything else
that is not a regular file is refused, and so is an archive whose end is missing.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from asd.errors import DataError

_BLOCK = 512
_MAX_NAME = 4096  # bytes of a long name or of a POSIX header
_MOST = 2**63 - 1  # bytes that a file can have
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)
_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE)
KINDS = {
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.GNUTYPE_SPARSE: "sparse file",
}


@dataclass(frozen=True)
class Member:
    """A regular file in an archive."""

    name: str
    size: int
    _path: Path
    _start: int

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            DataError: the archive is gone or has become shorter.
        """
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._start)
                data = stream.read(self.size)
        except OSError as error:
            raise DataError(f"cannot read {self._path}: {error.strerror}") from error
        if len(data) != self.size:
            raise DataError(f"{self._path}: cut short inside member {self.name!r}")
        return data


def members(path: Path) -> Iterator[Member]:
    """The regular files of an archive in its order, none of them read.

    Raises:
        DataError: cannot be read, not a plain tar, cut short, or a member that is no regular file.
    """
    try:
        with path.open("rb") as stream:
            for header in scan(OnDisk(stream, os.fstat(stream.fileno()).st_size), str(path)):
                if not header.name.isascii() and header.name != header.name.encode(errors="replace").decode():
                    raise DataError(f"{path}: the member at byte {header.start} has a name that is not UTF-8")
                if header.kind not in _REGULAR:
                    kind = KINDS.get(header.kind, f"member of type {header.kind!r}")
                    raise DataError(f"{path}: {header.name!r} is a {kind}, wanted regular files only")
                yield Member(header.name, header.size, path, header.start)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


class Forward(Protocol):
    """An archive that is read from its start to its end."""

    def tell(self) -> int:
        """The byte at which the next read begins."""

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""

    def skip_to(self, at: int) -> bool:
        """Go on to a later byte; False if the archive ends before it."""


@dataclass(frozen=True)
class Header:
    """A member that is no folder: what stands in its header.

    Attributes:
        name: bytes that are no UTF-8 are kept by `surrogateescape`.
        kind: tar's letter; `is_regular` for a file.
        start: the byte at which its data begin.
    """

    name: str
    size: int
    kind: bytes
    start: int

    @property
    def is_regular(self) -> bool:
        """Whether it is a plain file."""
        return self.kind in _REGULAR


def scan(stream: Forward, where: str) -> Iterator[Header]:
    """The members of an archive, folders left out; whoever takes one may read its data at once.

    Raises:
        DataError: not a plain tar, or cut short.
    """
    at, long_name = 0, None
    while True:
        info = _header(stream, at, where)
        if info is None:
            return
        name, start = long_name or info.name, at + _BLOCK
        at = start + info.size + -info.size % _BLOCK
        if info.type in _NAMES:
            if info.size > _MAX_NAME:
                raise DataError(
                    f"{where}: a member's name takes {info.size} bytes, at most {_MAX_NAME} are allowed"
                )
            long_name = _long_name(stream.read(info.size), info.type, where) or long_name
        else:
            long_name = None
            if info.type not in (tarfile.DIRTYPE, tarfile.XGLTYPE):
                yield Header(name, info.size, info.type, start)
        if not stream.skip_to(at):
            raise DataError(f"{where}: cut short inside member {name!r}")


class OnDisk:
    """A file of `total` bytes that can go back and forth, as a `Forward`; may be moved meanwhile."""

    def __init__(self, stream: IO[bytes], total: int) -> None:
        self._stream, self._total = stream, total
        self.tell, self.read = stream.tell, stream.read

    def skip_to(self, at: int) -> bool:
        """Seek, unless it lies behind the end."""
        if at > self._total:
            return False
        self._stream.seek(at)
        return True


def _header(stream: Forward, at: int, where: str) -> tarfile.TarInfo | None:
    """The header at byte `at`; None at the archive's end."""
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK:
        raise DataError(f"{where}: cut short at byte {at}; the archive's end is missing")
    if block == bytes(_BLOCK):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        hint = " (is it compressed? unpack it to a plain .tar)" if at == 0 else ""
        raise DataError(f"{where}: no tar member at byte {at}: {error}{hint}") from error
    if info.size < 0:
        raise DataError(f"{where}: the member at byte {at} has a negative size")
    if at + info.size > _MOST:
        raise DataError(f"{where}: the member at byte {at} says that it has {info.size} bytes")
    return info


def _long_name(data: bytes, kind: bytes, where: str) -> str | None:
    try:
        if kind == tarfile.GNUTYPE_LONGLINK:
            return None
        if kind == tarfile.GNUTYPE_LONGNAME:
            return data.rstrip(b"\0").decode()
        fields = dict(record.split(b" ", 1)[1].split(b"=", 1) for record in data.rstrip(b"\0").splitlines())
        if b"size" in fields:
            raise DataError(f"{where}: a member of more than 8 GiB")
        return fields[b"path"].decode() if b"path" in fields else None
    except (IndexError, ValueError) as error:
        raise DataError(f"{where}: a member's long name cannot be read") from error
