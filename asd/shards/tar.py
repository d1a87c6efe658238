"""Plain USTAR archives of regular files: written without clock or owner, scanned strictly."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from asd.errors import DataError

if TYPE_CHECKING:
    from mmap import mmap

    Buffer = bytes | mmap

_BLOCK = 512
_NUMBERS_END = 136  # of what a header says first: name, mode, owner, size
TRAILER = bytes(2 * _BLOCK)
_MAGIC = b"ustar\x0000"
_REGULAR = (b"0", b"\x00")
_KINDS = {b"1": "hard link", b"2": "symbolic link", b"5": "folder", b"x": "pax header", b"g": "pax header"}


def member(name: str, data: bytes) -> bytes:
    """Header and padded data of one regular file: mode 644, no owner, time 0."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % _BLOCK)


def write_archive(path: Path, members: Mapping[str, bytes]) -> str:
    """Write an archive of the members, sorted by name; returns its SHA-256 (hex)."""
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for name in sorted(members):
            block = member(name, members[name])
            digest.update(block)
            stream.write(block)
        digest.update(TRAILER)
        stream.write(TRAILER)
    return digest.hexdigest()


def scan(archive: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """Name and data of each member, in the order of the archive.

    Raises:
        DataError: a member is not a regular file, a checksum or size is wrong, or the trailer
            of two empty blocks is missing (so a cut at a member boundary is noticed).
    """
    at = 0
    while True:
        header = archive[at : at + _BLOCK]
        if len(header) < _BLOCK:
            raise DataError(f"{where}: cut short at byte {at}; the archive's end is missing")
        if header == bytes(_BLOCK):
            break
        name, size = _read_header(header, f"{where}: member at byte {at}")
        start, at = at + _BLOCK, at + _BLOCK + size + -size % _BLOCK
        if at > len(archive):
            raise DataError(f"{where}: cut short inside member {name!r}")
        yield name, archive[start : start + size]
    rest = archive[at:]
    if len(rest) < len(TRAILER) or rest.count(0) != len(rest):
        raise DataError(f"{where}: wanted nothing but empty blocks after byte {at}, the end of its members")


def members(archive: Buffer, where: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of each member, from the headers alone: for one picture of an archive.

    Checksums and kinds are not looked at, which makes it several times faster than `scan`: whoever
    reads a member this way must check what it holds.

    Raises:
        DataError: the headers do not lead to the archive's end.
    """
    at = 0
    while True:
        header = archive[at : at + _NUMBERS_END]
        if len(header) < _NUMBERS_END or at + _BLOCK > len(archive):
            raise DataError(f"{where}: cut short at byte {at}; the archive's end is missing")
        if not header[0]:
            return
        try:
            size = int(header[124:135], 8)
        except ValueError:
            raise DataError(f"{where}: member at byte {at} has a bad number") from None
        yield header[:100].rstrip(b"\x00"), at + _BLOCK, size
        at += _BLOCK + size + -size % _BLOCK


def find(archive: Buffer, name: str) -> tuple[int, int] | None:
    """Start and size of a member, found by halving an archive whose members are sorted by name.

    Looks at a few headers only. Data can be made to look like a header: whoever reads a member this
    way must check what it holds, and look through all `members` if this finds nothing or the wrong thing.
    """
    wanted, low, high = name.encode(), 0, len(archive) // _BLOCK
    while low < high:
        middle = (low + high) // 2
        for block in range(middle, high):
            header = _header_at(archive, block * _BLOCK)
            if header is not None:
                break
        else:
            high = middle
            continue
        found, size = header[0].encode(), header[1]
        if found == wanted:
            return (block + 1) * _BLOCK, size
        if found < wanted:
            low = block + 1 + -(-size // _BLOCK)
        else:
            high = middle
    return None


def _header_at(archive: Buffer, at: int) -> tuple[str, int] | None:
    """Name and size if a whole header of a regular file stands here."""
    if archive[at + 257 : at + 265] != _MAGIC:
        return None
    try:
        return _read_header(archive[at : at + _BLOCK], "")
    except DataError:
        return None


def _read_header(header: bytes, where: str) -> tuple[str, int]:
    kind = header[156:157]
    if kind not in _REGULAR:
        raise DataError(f"{where} is a {_KINDS.get(kind, f'type {kind!r}')}, wanted regular files only")
    if header[257:265] != _MAGIC or header[345] != 0:
        raise DataError(f"{where} is not a plain USTAR header")
    # The checksum is taken with its own eight bytes as blanks.
    if _octal(header[148:156], where) != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        raise DataError(f"{where} has a wrong checksum")
    raw = header[:100].rstrip(b"\x00")
    if not raw.isascii() or b"\x00" in raw:
        raise DataError(f"{where} has a bad name {raw!r}")
    return raw.decode("ascii"), _octal(header[124:136], where)


def _octal(field: bytes, where: str) -> int:
    digits = field.rstrip(b"\x00 ")
    if not digits or digits.strip(b"01234567"):
        raise DataError(f"{where} has a bad number {field!r}")
    return int(digits, 8)
