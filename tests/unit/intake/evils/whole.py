"""Drops that are evil as a whole; each is judged on its own."""

import bz2
import gzip
import lzma
import zlib
from pathlib import Path

import numpy as np

from tests.unit.intake.evils import zips
from tests.unit.intake.evils.kit import TAR_END, Corpus, png, poison_pickle, tar_member
from tests.unit.intake.evils.tars import bomb


def build(root: Path, canary: Path) -> list[Corpus]:
    """Each is noted under the name of its own file, or `.` where the drop is refused."""
    folder = root / "whole"
    folder.mkdir()
    found = []

    def put(name: str, data: bytes, ending: str) -> None:
        path = folder / f"{name}{ending}"
        path.write_bytes(data)
        corpus = Corpus(path)
        corpus.evil(name, path.name)
        found.append(corpus)

    whole = tar_member("cat/0.png", png(6000)) + tar_member("cat/1.png", png(6001)) + TAR_END
    put("gz-bomb", bomb(zlib.compressobj(9, zlib.DEFLATED, 31)), ".tar.gz")
    put("bz2-bomb", bomb(bz2.BZ2Compressor()), ".tar.bz2")
    put("xz-bomb", bomb(lzma.LZMACompressor(preset=0)), ".tar.xz")
    put("gz-of-nothing", gzip.compress(b"hello"), ".tar.gz")
    put("gz-in-gz", gzip.compress(gzip.compress(whole)), ".tar.gz")
    put("gz-cut", gzip.compress(whole, 0)[:-300], ".tar.gz")
    put("xz-wants-4-gigabytes", _xz_with_large_window(), ".tar.xz")
    put("empty-tar", TAR_END, ".tar")
    put("tar-cut-at-member", whole[: -len(TAR_END)], ".tar")
    put("random-bytes", np.random.default_rng(3).bytes(5000), "")
    put("program", b"\x7fELF" + bytes(500), ".zip")
    put("pickle-as-drop", poison_pickle(canary), ".pkl")
    put("picture-as-drop", png(6002), ".png")
    put("parquet-as-drop-cut", b"PAR1" + bytes(100), ".parquet")
    for name, data in zips.whole(canary).items():
        put(name, data, ".zip")
    for name, files in _folders().items():
        path = folder / name
        path.mkdir()
        for file, data in files.items():
            (path / file).write_bytes(data)
        corpus = Corpus(path)
        corpus.evil(name, name)
        found.append(corpus)
    return found


def _folders() -> dict[str, dict[str, bytes]]:
    return {
        "empty-folder": {},
        "csv-line-without-end": {"labels.csv": b"path,label\n" + b"a" * 2**20},
        "csv-not-utf-8": {"labels.csv": b"path,label\n\xff\xfe.png,cat\n"},
        "two-csv": {"a.csv": b"path,label\nx.png,cat\n", "b.csv": b"path,label\nx.png,dog\n"},
    }


def _xz_with_large_window() -> bytes:
    """An xz whose header asks for a window of almost 4 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**16}]
    data = bytearray(lzma.compress(tar_member("cat/0.png", png(6003)) + TAR_END, filters=filters))
    head = 12  # behind the stream's header stands that of the block: size, flags, filter, its size, window
    size = (data[head] + 1) * 4
    assert data[head + 2 : head + 4] == b"\x21\x01"
    data[head + 4] = 39
    data[head + size - 4 : head + size] = zlib.crc32(data[head : head + size - 4]).to_bytes(4, "little")
    return bytes(data)
