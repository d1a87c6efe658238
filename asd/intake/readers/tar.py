"""Tar archives of strangers as lists of files; links and devices are named, never followed or made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from asd.datasets._tars import KINDS, Forward, Header, scan
from asd.errors import DataError
from asd.intake.readers.entry import ReadError
from asd.intake.readers.seen import NameTable
from asd.intake.readers.streams import BombError, Piece, Window

_LINKS = (b"1", b"2")
_PADDING = 2**20  # empty bytes that may stand behind the end


@dataclass(frozen=True)
class TarFile:
    """A member; it can be opened as long as the next one has not been taken."""

    name: str
    size: int
    problem: tuple[str, str] | None
    _header: Header
    _stream: Forward
    _file: BinaryIO | None

    @property
    def seekable(self) -> bool:
        """Whether its stream can go back."""
        return self._file is not None

    def open(self) -> BinaryIO:
        """Its bytes; a cut inside is noticed by the archive's reader."""
        if self._file is not None:
            return cast(BinaryIO, Window(self._file, self._header.start, self.size))
        return cast(BinaryIO, Piece(self._stream, self.size))


def tar_files(stream: Forward, file: BinaryIO | None) -> Iterator[TarFile]:
    """The members of an archive in its order.

    Args:
        stream: it, unpacked.
        file: the same where it is not compressed and can go back.

    Raises:
        ReadError: it is damaged or cut; nothing behind that place can be read.
    """
    seen = NameTable()
    try:
        for header in scan(stream, "the archive"):
            name = header.name.removeprefix("./")
            yield TarFile(name, header.size, _problem(header, name, seen), header, stream, file)
        _check_end(stream)
    except BombError:
        raise
    except DataError as error:
        raise ReadError("damaged-archive", str(error)) from error


def _problem(header: Header, name: str, seen: NameTable) -> tuple[str, str] | None:
    if header.kind in _LINKS:
        return "link", f"a {KINDS[header.kind]}"
    if not header.is_regular:
        return "not-a-file", f"a member of type {header.kind!a}"
    return None if seen.put(name) else ("duplicate-name", "a member of that name came before")


def _check_end(stream: Forward) -> None:
    """Behind the end there may be nothing but padding: a second archive would go unread."""
    rest = stream.read(_PADDING)
    if rest.count(0) != len(rest) or len(rest) == _PADDING:
        raise DataError("bytes stand behind the archive's end")
