"""The zip: stored members in order, no dates, no extras; one content has one sequence of bytes.

The reader takes this layout alone and builds every header again, so no byte of the file is
free: nothing can stand before, between or behind the members, and no member can be compressed,
doubled or lead elsewhere. Layout of the records: PKWARE APPNOTE 6.3.10, 4.3.7, 4.3.12, 4.3.16.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from asd.errors import DataError

Source = Path | bytes

MOST_MEMBERS = 10_000
MOST_BYTES = 2**32 - 2**20
"""Of a whole zip: larger ones need another layout (ZIP64), and no evidence is that large."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_LONGEST_NAME = 240
_BLOCK = 2**20
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UNIX, _DAY, _MODE = 20, 3 << 8, 0x21, 0o100644 << 16  # 1980-01-01, a plain file


@dataclass(frozen=True)
class Member:
    """One member: its size, its CRC-32 and where its header stands in the zip."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def data_offset(self) -> int:
        """Where its bytes begin."""
        return self.offset + _LOCAL.size + len(self.name)

    def local_header(self) -> bytes:
        """What stands before its bytes."""
        words = (_VERSION, 0, 0, 0, _DAY, self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\x03\x04", *words) + self.name.encode("ascii")

    def central_header(self) -> bytes:
        """Its line in the directory at the end."""
        sizes = (self.crc, self.size, self.size, len(self.name), 0, 0, 0, 0, _MODE, self.offset)
        words = (_UNIX | _VERSION, _VERSION, 0, 0, 0, _DAY)
        return _CENTRAL.pack(b"PK\x01\x02", *words, *sizes) + self.name.encode("ascii")


def _directory(members: list[Member], offset: int) -> bytes:
    central = b"".join(member.central_header() for member in members)
    n = len(members)
    return central + _END.pack(b"PK\x05\x06", 0, 0, n, n, len(central), offset, 0)


def write_zip(path: Path, sources: Mapping[str, Source], digests: Mapping[str, str]) -> None:
    """Write members sorted by name, a block at a time.

    Args:
        digests: the SHA-256 (hex) that each member must have.

    Raises:
        DataError: a file is gone or has another digest by now, or it is all too large.
    """
    if len(sources) > MOST_MEMBERS:
        raise DataError(f"{len(sources)} files, evidence holds at most {MOST_MEMBERS}")
    members: list[Member] = []
    with path.open("w+b") as stream:
        for name, source in sorted(sources.items()):
            check_name(name)
            members.append(_write_member(stream, name, source, digests[name]))
        stream.write(_directory(members, stream.tell()))
        if stream.tell() > MOST_BYTES:
            raise DataError(f"the evidence would have {stream.tell():,} bytes, at most {MOST_BYTES:,} fit")


def _write_member(stream: BinaryIO, name: str, source: Source, wanted: str) -> Member:
    offset = stream.tell()
    stream.write(Member(name, 0, 0, offset).local_header())
    digest, crc, size = hashlib.sha256(), 0, 0
    for block in _blocks(source, name):
        digest.update(block)
        crc, size = zlib.crc32(block, crc), size + len(block)
        if offset + size > MOST_BYTES:
            raise DataError(f"{name} does not fit: evidence has at most {MOST_BYTES:,} bytes")
        stream.write(block)
    if digest.hexdigest() != wanted:
        raise DataError(f"{name} was changed while the evidence was written; run the command again")
    member, end = Member(name, size, crc, offset), stream.tell()
    stream.seek(offset)
    stream.write(member.local_header())
    stream.seek(end)
    return member


def _blocks(source: Source, name: str) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    try:
        with source.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except FileNotFoundError as error:
        raise DataError(f"missing file {name}") from error


def check_name(name: str) -> None:
    """Refuse a name that is not a plain relative path.

    Raises:
        DataError: absolute, with `..`, a hidden file, other letters, or too long.
    """
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise DataError(f"member {name[:80]!r}: no plain relative name (letters, digits, . _ - and /)")


def scan(path: Path) -> list[Member]:
    """The members of a zip, whose every header is as `write_zip` writes it. Reads no content.

    Raises:
        DataError: names the first thing that is not.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{path.name} has {size:,} bytes, evidence at most {MOST_BYTES:,}")
        with path.open("rb") as stream:
            return _scan(stream, size)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, wanted a zip of `asd audit evidence`") from error


def _scan(stream: BinaryIO, size: int) -> list[Member]:
    members: list[Member] = []
    offset = 0
    while True:
        stream.seek(offset)
        head = stream.read(_LOCAL.size)
        if head[:4] == b"PK\x01\x02" and members:
            break
        member = _member(stream, head, offset, size)
        _check_order(members, member)
        members.append(member)
        offset = member.data_offset + member.size
    wanted = _directory(members, offset)
    stream.seek(offset)
    found = stream.read(len(wanted) + 1)
    if found != wanted:
        raise DataError(_at_the_end(found, wanted, members))
    return members


def _member(stream: BinaryIO, head: bytes, offset: int, size: int) -> Member:
    if len(head) < _LOCAL.size:
        raise DataError(f"the zip is cut off at byte {size}: it ends without its directory")
    if head[:4] != b"PK\x03\x04":
        raise DataError(f"byte {offset}: no member begins here; this is no zip of `asd audit evidence`")
    fields = _LOCAL.unpack(head)
    crc, stored, plain, name_length = fields[6:10]
    raw = stream.read(min(name_length, _LONGEST_NAME + 1))
    name = raw.decode("ascii", errors="replace")
    check_name(name)
    member = Member(name, plain, crc, offset)
    if head + raw != member.local_header():
        why = "compressed" if fields[3] or stored != plain else "with flags, a date or extra fields"
        raise DataError(f"member {name}: its header is not as asd writes it ({why})")
    if member.data_offset + plain > size:
        raise DataError(f"the zip is cut off at byte {size}, inside member {name}")
    return member


def _check_order(members: list[Member], member: Member) -> None:
    if len(members) >= MOST_MEMBERS:
        raise DataError(f"more than {MOST_MEMBERS} members")
    if any(member.name == other.name for other in members):
        raise DataError(f"member {member.name} stands there twice")
    if members and member.name < members[-1].name:
        raise DataError(f"member {member.name} is out of order (after {members[-1].name})")


def _at_the_end(found: bytes, wanted: bytes, members: list[Member]) -> str:
    if len(found) < len(wanted) and wanted.startswith(found):
        return f"the zip is cut off inside its directory, after {len(members)} members"
    if found.startswith(wanted):
        return "something stands behind the end of the zip"
    return f"the directory at the end does not name the {len(members)} members before it, in order"


def unpack(path: Path, folder: Path) -> dict[str, str]:
    """Write the members below `folder`; their SHA-256 (hex) by name.

    Raises:
        DataError: the zip is not as `write_zip` writes it, or the bytes of a member were changed.
    """
    digests = {}
    members = scan(path)
    with path.open("rb") as stream:
        for member in members:
            place = folder / member.name
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as out:
                    digests[member.name] = _copy(stream, member, out)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise DataError(f"member {member.name} is both a file and a folder") from error
    return digests


def _copy(stream: BinaryIO, member: Member, out: BinaryIO) -> str:
    stream.seek(member.data_offset)
    digest, crc, left = hashlib.sha256(), 0, member.size
    while left:
        block = stream.read(min(left, _BLOCK))
        if not block:
            raise DataError(f"the zip is cut off inside member {member.name}")
        digest.update(block)
        crc, left = zlib.crc32(block, crc), left - len(block)
        out.write(block)
    if crc != member.crc:
        raise DataError(
            f"member {member.name}: its bytes were changed (CRC-32 {crc:08x}, header {member.crc:08x})"
        )
    return digest.hexdigest()
