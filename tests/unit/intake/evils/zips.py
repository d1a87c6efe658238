"""Evils in zips: members of one archive, and archives that lie as a whole."""

import struct
import zlib
from pathlib import Path

from tests.unit.intake.evils.kit import Corpus, ZipMember, jpeg, png, poison_pickle, zip_bytes


def members(root: Path, canary: Path) -> Corpus:
    """One zip of class folders, every member of which is wrong but the good ones."""
    corpus = Corpus(root / "members.zip")
    found = [
        ZipMember(f"cat/good-{number}.png", png(3000 + number), method=8 * (number % 2))
        for number in range(4)
    ]
    corpus.good = 4

    def put(evil: str, name: str, data: bytes, shown: str | None = None, **more: object) -> None:
        corpus.evil(evil, shown or name)
        found.append(ZipMember(name, data, **more))

    put("zip-absolute-path", "/cat/abs.png", png(3010))
    put("zip-dot-dot", "../cat/up.png", png(3011))
    put("zip-backslashes", "..\\cat\\up.png", png(3012))
    put("zip-drive-letter", "C:cat/up.png", png(3013))
    put("zip-symbolic-link", "cat/link.png", b"/etc/passwd", mode=0o120777)
    put("zip-device", "cat/device.png", b"", mode=0o020666)
    put("zip-encrypted", "cat/secret.png", png(3014), flags=1 << 11 | 1)
    put("zip-bzip2-method", "cat/bzip2.png", png(3015), method=12)
    put("zip-unknown-method", "cat/what.png", png(3016), method=99)
    put("zip-lying-small-size", "cat/small.png", png(3017), size=10)
    put("zip-lying-large-size", "cat/large.png", png(3018), size=2**20)
    put("zip-size-4-gigabytes", "cat/huge.png", png(3019), size=2**32 - 2)
    put("zip-wrong-crc", "cat/crc.png", png(3020), crc=1)
    put("zip-two-names", "cat/two.png", png(3021), local_name="dog/two.png")
    put("zip-bomb-member", "cat/bomb.png", bytes(2**25 + 1))
    put("zip-nested", "cat/inner.zip", zip_bytes([ZipMember("cat/x.png", png(3022))]))
    put("zip-pickle", "cat/x.pickle", poison_pickle(canary))
    put("zip-newline-in-name", "cat/a\nb.png", png(3023))
    put("zip-name-not-utf-8", "cat/\udcff.png", png(3024), shown="cat/\ufffd.png")
    put("zip-folder-with-bytes", "cat/folder/", png(3025))
    put("zip-same-bytes-again", "cat/overlap.png", png(3026), same_as_last=True)
    found.append(ZipMember("cat/good-0.png", png(3027)))
    corpus.drop.write_bytes(zip_bytes(found))
    return corpus


def whole(canary: Path) -> dict[str, bytes]:
    """Archives of which nothing is believed, or nothing behind a place."""
    good = [ZipMember(f"cat/{number}.png", png(3100 + number)) for number in range(2)]
    plain = zip_bytes(good)
    return {
        "zip-without-end": plain[:-22],
        "zip-cut": plain[: len(plain) // 2],
        "zip-behind-jpeg": jpeg(3110) + plain,
        "zip-bytes-behind": plain + b"more",
        "zip-end-in-comment": zip_bytes(good, comment=b"PK\5\6" + bytes(18)),
        "zip-too-few-members-said": zip_bytes(good, count=1),
        "zip-too-many-members-said": zip_bytes(good, count=60_000),
        "zip-empty": zip_bytes([]),
        "zip-size-2-to-the-64": zip_of_any_size(png(3120), 2**64 - 1),
        "zip-damaged-labels": zip_bytes([ZipMember("labels.csv", b"path,label\n" * 99, crc=1), *good]),
    }


def zip_of_any_size(data: bytes, size: int) -> bytes:
    """One stored member whose ZIP64 fields say `size`."""
    name, most = b"cat/1.png", 2**32 - 1
    extra = struct.pack("<2H2Q", 1, 16, size, len(data))
    crc, tail = zlib.crc32(data), name + extra
    local = b"PK\3\4" + struct.pack("<5H3L2H", 45, 0, 0, 0, 0, crc, most, most, len(name), 20) + tail + data
    central = b"PK\1\2" + struct.pack(
        "<6H3L5H2L", 45, 45, 0, 0, 0, 0, crc, most, most, len(name), 20, 0, 0, 0, 0, 0
    )
    end = struct.pack("<4H2LH", 0, 0, 1, 1, len(central) + len(tail), len(local), 0)
    return local + central + tail + b"PK\5\6" + end
