"""Evils in tars: members of one archive of class folders, and whole shards of WebDataset."""

import bz2
import gzip
import json
import lzma
import tarfile
from pathlib import Path

import numpy as np

from tests.unit.intake.evils.kit import (
    TAR_END,
    Corpus,
    jpeg,
    patched,
    png,
    poison_pickle,
    shortened,
    tar_member,
)

PICKLED = (
    "pkl",
    "pickle",
    "pyd",
    "pth",
    "pt",
    "npy",
    "npz",
    "ten",
    "tb",
    "mp",
    "msg",
    "cbor",
    "index",
    "inx",
)
"""Endings that WebDataset's default decoders open, several of them by unpickling."""


def members(root: Path, canary: Path) -> Corpus:
    """One tar of class folders."""
    corpus = Corpus(root / "members.tar")
    parts = [tar_member(f"cat/good-{number}.png", png(1000 + number)) for number in range(4)]
    corpus.good = 4

    def put(evil: str, name: str, data: bytes = b"", shown: str | None = None, **fields: object) -> None:
        corpus.evil(evil, shown or name)
        parts.append(tar_member(name, data, **fields))

    put("tar-absolute-path", "/cat/etc.png", png(1010))
    put("tar-dot-dot", "../cat/up.png", png(1011))
    put("tar-dot-dot-inside", "cat/../../up.png", png(1012))
    put("tar-backslashes", "..\\cat\\up.png", png(1013))
    put("tar-drive-letter", "C:/cat/up.png", png(1014))
    put("tar-percent-dots", "%2e%2e/up.png", png(1015))
    put("tar-symbolic-link", "cat/link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    put("tar-hard-link", "cat/hard.png", type=tarfile.LNKTYPE, linkname="cat/good-0.png")
    put("tar-link-to-folder", "dog", type=tarfile.SYMTYPE, linkname="/tmp")
    put("tar-behind-that-link", "dog/x.png", png(1016))
    put("tar-character-device", "cat/null.png", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    put("tar-block-device", "cat/disk.png", type=tarfile.BLKTYPE, devmajor=8, devminor=0)
    put("tar-pipe", "cat/pipe.png", type=tarfile.FIFOTYPE)
    put("tar-contiguous-file", "cat/contiguous.png", png(1017), type=tarfile.CONTTYPE)
    put("tar-sparse-file", "cat/sparse.png", png(1018), type=tarfile.GNUTYPE_SPARSE)
    put("tar-unknown-type", "cat/what.png", png(1019), type=b"Z")
    parts.append(tar_member("cat/", b"x" * 600, type=tarfile.DIRTYPE))  # a folder that holds bytes
    long = "cat/" + "n" * 2000 + ".png"
    put("tar-2000-letters", long, png(1020), shown=shortened(long))
    put("tar-name-not-utf-8", "cat/\udcff.png", png(1021), shown="cat/\ufffd.png")
    put("tar-nested", "cat/inner.tar", tar_member("x.png", png(1022)) + TAR_END)
    put("tar-nested-gz", "cat/inner.tar.gz", gzip.compress(bytes(100)))
    put("tar-pickle", "cat/x.pkl", poison_pickle(canary))
    put("tar-setuid", "cat/setuid.png", png(1023), mode=0o6777, uid=0)
    # the second one is judged, too, under the same name: see `extra`
    parts.append(tar_member("cat/good-0.png", png(1024)))
    corpus.drop.write_bytes(b"".join(parts) + TAR_END)
    return corpus


def shards(root: Path, canary: Path) -> Corpus:
    """A folder of WebDataset tars; a damaged one is noted under its own name."""
    corpus = Corpus(root / "shards")
    corpus.drop.mkdir()
    put = _writer(corpus)
    samples = [tar_member("a.png", png(2000)), tar_member("a.cls", b"cat")]
    whole = b"".join(samples)
    corpus.good = 0
    pickles = [tar_member(f"p.{ending}", poison_pickle(canary)) for ending in PICKLED]
    pickles.append(tar_member("q.pkl.gz", gzip.compress(poison_pickle(canary))))
    put("pickles.tar", b"".join(pickles) + TAR_END)
    for ending in PICKLED:
        corpus.evil(f"webdataset-pickle-{ending}", f"pickles.tar/p.{ending}")
    corpus.evil("webdataset-pickle-gz", "pickles.tar/q.pkl.gz")
    array = np.array([canary], dtype=object)
    path = root / "object.npy"
    np.save(path, array, allow_pickle=True)
    put("npy.tar", tar_member("a.npy", path.read_bytes()) + TAR_END)
    corpus.evil("npy-object-array", "npy.tar/a.npy")
    _labels(corpus, put, canary)
    damaged = {
        "tar-without-end": whole,
        "tar-cut-inside": tar_member("b.png", png(2001)) + tar_member("b.cls", b"cat")[:700],
        "tar-cut-in-header": tar_member("c.png", png(2002)) + tar_member("c.cls", b"cat") + b"\1" * 100,
        "tar-bad-checksum": tar_member("d.png", png(2003))[:148] + b"0000000\0" + bytes(356) + TAR_END,
        "tar-size-beyond-end": patched(tar_member("e.png", b""), 124, b"77777777777\0") + TAR_END,
        "tar-negative-size": patched(tar_member("f.png", b""), 124, b"\xff" * 12) + TAR_END,
        "tar-second-archive-behind": tar_member("g.png", png(2004)) + TAR_END + whole + TAR_END,
        "tar-size-2-to-the-70": patched(tar_member("i.png", b""), 124, b"\x80" + (2**70).to_bytes(11, "big"))
        + TAR_END,
        "tar-size-2-to-the-60": patched(tar_member("j.png", b""), 124, b"\x80" + (2**60).to_bytes(11, "big"))
        + TAR_END,
        "tar-size-in-pax-header": tar_member("x", b"20 size=99999999999\n", type=tarfile.XHDTYPE)
        + tar_member("h.png", png(2005))
        + TAR_END,
        "tar-name-of-a-gigabyte": patched(
            tar_member("n", b"", type=tarfile.GNUTYPE_LONGNAME), 124, b"07777777777\0"
        )
        + TAR_END,
        "tar-is-random": np.random.default_rng(1).bytes(5000),
        "tar-gz-cut": gzip.compress(whole + TAR_END)[:-60],
        "tar-gz-damaged": gzip.compress(whole)[:10] + b"\xff" * 100,
        "tar-is-zip": b"PK\3\4" + bytes(600),
    }
    for name, data in damaged.items():
        file = f"{name}.tar"
        put(file, data)
        corpus.evil(name, file)
    put(
        "packed.tar.bz2", bz2.compress(tar_member("z.png", png(2006)) + tar_member("z.cls", b"dog") + TAR_END)
    )
    put(
        "packed.tar.xz", lzma.compress(tar_member("y.png", png(2007)) + tar_member("y.cls", b"dog") + TAR_END)
    )
    corpus.good += 2
    (corpus.drop / "index.json").write_text("{}")
    corpus.evil("stray-file", "index.json")
    return corpus


def _writer(corpus: Corpus):
    def put(name: str, data: bytes) -> None:
        (corpus.drop / name).write_bytes(data)

    return put


def _labels(corpus: Corpus, put, canary: Path) -> None:
    parts = []

    def sample(evil: str, number: int, *notes: tuple[str, bytes], judged: str = "png") -> None:
        key = f"s{number}"
        parts.append(tar_member(f"{key}.png", png(2100 + number)))
        parts.extend(tar_member(f"{key}.{ending}", data) for ending, data in notes)
        corpus.evil(evil, f"labels.tar/{key}.{judged}")

    sample("json-label-nan", 0, ("json", b'{"label": NaN}'))
    sample("json-label-list", 1, ("json", b'{"label": ["cat"]}'))
    sample("json-deeply-nested", 2, ("json", b"[" * 50_000))
    sample("json-label-half-a-letter", 14, ("json", b'{"label": "\\ud800"}'))
    sample("json-not-json", 3, ("json", b"{'label': 'cat'}"))
    sample("cls-a-pickle", 4, ("cls", poison_pickle(canary)))
    sample("cls-a-megabyte", 5, ("cls", b"cat" * 350_000), judged="cls")
    sample("cls-out-of-range", 6, ("cls", b"7"))
    sample("cls-negative", 7, ("cls", b"-1"))
    sample("cls-nan", 8, ("cls", b"nan"))
    sample("no-label", 9)
    sample("two-pictures", 10, ("cls", b"cat"), ("jpg", jpeg(2150)), judged="jpg")
    sample("label-of-100-letters", 11, ("cls", b"c" * 101))
    sample("label-with-escape", 12, ("cls", b"c\x1b[2Jat"))
    sample("two-labels", 13, ("cls", b"cat"), ("cls", b"dog"))
    corpus.paths.pop("labels.tar/s13.png")
    corpus.evil("two-labels", "labels.tar/s13.cls")
    corpus.good += 2  # s10.png and s13.png
    parts.append(tar_member("lone.cls", b"cat"))
    corpus.evil("label-without-picture", "labels.tar/lone.cls")
    parts.append(tar_member("num.png", png(2160)) + tar_member("num.json", json.dumps({"label": 1}).encode()))
    corpus.good += 1
    put("labels.tar", b"".join(parts) + TAR_END)


_BOMB = 80 * 2**20


def bomb(pack) -> bytes:
    """A compressed tar that unpacks to 80 MiB: `pack` is a compressor object."""
    head = patched(tar_member("cat/bomb.png", b""), 124, b"%011o\0" % _BOMB)
    parts = [pack.compress(head)]
    parts += [pack.compress(bytes(2**24)) for _ in range(_BOMB // 2**24)]
    parts.append(pack.compress(TAR_END))
    return b"".join(parts) + pack.flush()


def tiny_members(path: Path, count: int) -> Path:
    """Many members of one byte."""
    with path.open("wb") as stream:
        for number in range(count):
            stream.write(tar_member(f"cat/{number}.png", b"x"))
        stream.write(TAR_END)
    return path
