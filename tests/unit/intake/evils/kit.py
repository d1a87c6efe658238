"""Small tools of the hostile corpus: good pictures, archives byte by byte, pickles that leave a trace."""

import hashlib
import io
import pickle
import struct
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog")


@dataclass
class Corpus:
    """One drop with many evils: where it lies, and which path stands for which evil."""

    drop: Path
    paths: dict[str, str] = field(default_factory=dict)
    good: int = 0
    seconds: float = 10.0

    def evil(self, name: str, path: str) -> str:
        """Note that what is judged under `path` is the evil `name`."""
        assert path not in self.paths
        self.paths[path] = name
        return path


def image(number: int, mode: str = "RGB", side: int = 24) -> Image.Image:
    """A picture unlike all others."""
    rng = np.random.default_rng(number)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return small.resize((side, side), Image.Resampling.BICUBIC).convert(mode)


def shortened(name: str) -> str:
    """How a very long name is shown."""
    return f"{name[:150]}…{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def encoded(picture: Image.Image, form: str = "PNG", **more: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **more)
    return stream.getvalue()


def png(number: int) -> bytes:
    return encoded(image(number))


def jpeg(number: int) -> bytes:
    return encoded(image(number), "JPEG")


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    """A grey PNG with any size in its header."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data, 9))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def with_chunk(data: bytes, extra: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    return data[:33] + extra + data[33:]


class Trace:
    """Unpickled, it writes a file: whoever does that is found out."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self):
        return (open, (str(self._canary), "w"))


def poison_pickle(canary: Path) -> bytes:
    return pickle.dumps(Trace(canary))


def tar_member(name: str, data: bytes = b"", **fields: object) -> bytes:
    """A member of a tar whose header says what is asked for."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    head = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return head + data + bytes(-len(data) % 512)


TAR_END = bytes(1024)


def patched(header: bytes, at: int, value: bytes) -> bytes:
    """A tar header with some bytes changed and its checksum made right again."""
    block = bytearray(header[:512])
    block[at : at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + header[512:]


@dataclass
class ZipMember:
    """A member of a zip, each field free to lie."""

    name: str
    data: bytes
    method: int = 8
    flags: int = 1 << 11
    mode: int = 0o100644
    size: int | None = None
    crc: int | None = None
    local_name: str | None = None
    same_as_last: bool = False


def zip_bytes(members: list[ZipMember], *, count: int | None = None, comment: bytes = b"") -> bytes:
    """A zip made by hand."""
    body, central, last = b"", b"", 0
    for one in members:
        packed = one.data
        if one.method == 8:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = packer.compress(one.data) + packer.flush()
        crc = zlib.crc32(one.data) if one.crc is None else one.crc
        size = len(one.data) if one.size is None else one.size
        raw = one.name.encode("utf-8", "surrogateescape")
        local = raw if one.local_name is None else one.local_name.encode()
        place = last if one.same_as_last else len(body)
        if not one.same_as_last:
            numbers = (20, one.flags, one.method, 0, 0, crc, len(packed), size, len(local), 0)
            body += b"PK\3\4" + struct.pack("<5H3L2H", *numbers) + local + packed
        head = (3 << 8 | 20, 20, one.flags, one.method, 0, 0, crc, len(packed), size)
        tail = (len(raw), 0, 0, 0, 0, one.mode << 16, place)
        central += b"PK\1\2" + struct.pack("<6H3L5H2L", *head, *tail) + raw
        last = place
    number = len(members) if count is None else count
    end = struct.pack("<4H2LH", 0, 0, number, number, len(central), len(body), len(comment))
    return body + central + b"PK\5\6" + end + comment
