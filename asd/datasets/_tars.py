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
from typing import IO

from asd.errors import DataError

_BLOCK = 512
_MAX_NAME = 4096  # bytes of a long name or of a POSIX header
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)
_KINDS = {
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
            yield from _scan(stream, path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _scan(stream: IO[bytes], path: Path) -> Iterator[Member]:
    total = os.fstat(stream.fileno()).st_size
    at, long_name = 0, None
    while True:
        info = _header(stream, at, path)
        if info is None:
            return
        start, end = at + _BLOCK, at + _BLOCK + info.size + -info.size % _BLOCK
        if info.size < 0 or end > total:
            raise DataError(f"{path}: cut short inside member {info.name!r}")
        member = Member(long_name or info.name, info.size, path, start)
        at = end
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
            if info.size > _MAX_NAME:
                raise DataError(
                    f"{path}: a member's name takes {info.size} bytes, at most {_MAX_NAME} are allowed"
                )
            long_name = _long_name(member.read(), info.type, path) or long_name
            continue
        long_name = None
        if info.type in _REGULAR:
            yield member
        elif info.type not in (tarfile.DIRTYPE, tarfile.XGLTYPE):
            kind = _KINDS.get(info.type, f"member of type {info.type!r}")
            raise DataError(f"{path}: {member.name!r} is a {kind}, wanted regular files only")


def _header(stream: IO[bytes], at: int, path: Path) -> tarfile.TarInfo | None:
    """The header at byte `at`; None at the archive's end."""
    stream.seek(at)
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK:
        raise DataError(f"{path}: cut short at byte {at}; the archive's end is missing")
    if block == bytes(_BLOCK):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the member at byte {at} has a name that is not UTF-8") from error
    except tarfile.TarError as error:
        hint = " (is it compressed? unpack it to a plain .tar)" if at == 0 else ""
        raise DataError(f"{path}: no tar member at byte {at}: {error}{hint}") from error


def _long_name(data: bytes, kind: bytes, path: Path) -> str | None:
    try:
        if kind == tarfile.GNUTYPE_LONGNAME:
            return data.rstrip(b"\0").decode()
        fields = dict(record.split(b" ", 1)[1].split(b"=", 1) for record in data.rstrip(b"\0").splitlines())
        if b"size" in fields:
            raise DataError(f"{path}: a member of more than 8 GiB")
        return fields[b"path"].decode() if b"path" in fields else None
    except (IndexError, ValueError) as error:
        raise DataError(f"{path}: a member's long name cannot be read") from error
