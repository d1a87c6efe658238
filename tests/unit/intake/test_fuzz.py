"""Damaged and made-up archives, tables and pictures: the readers answer, and do nothing else.

Runs for a minute; `ASD_FUZZ_SECONDS=600` says how long. Hypothesis damages good files of every form
and builds archives whose headers lie. Readers and decoder run in this process, where a crash, a hang
or an error of the wrong kind is seen at once.
"""

import gzip
import io
import os
import random
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from asd.errors import DataError
from asd.intake.checks import check_bytes, check_name
from asd.intake.readers.entry import Entry, Limits
from asd.intake.readers.form import open_drop, read_drop
from asd.intake.reasons import REASONS
from asd.intake.worker import ACCEPTED, REFUSED, Decoder
from tests.unit.intake.evils.kit import TAR_END, ZipMember, encoded, image, png, tar_member, zip_bytes

SECONDS = float(os.environ.get("ASD_FUZZ_SECONDS", "60"))
LIMITS = Limits(2**20, 2**26, ("cat", "dog"))
MOST_SECONDS = 20.0  # for one example, on a busy machine: more is a hang
SEEN: Counter[str] = Counter()

pytestmark = pytest.mark.slow


class Silent:
    """Hears what a reader says."""

    def opened(self, number: int, name: str) -> None:
        assert number >= 0

    def busy(self) -> None:
        pass


def _parquet() -> bytes:
    stream = io.BytesIO()
    cells = [{"bytes": png(n), "path": "x"} for n in range(3)]
    pq.write_table(pa.table({"img": cells, "label": ["cat", "dog", "cat"]}), stream)
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"cat/{number}.png", png(number))
    return stream.getvalue()


def _tar() -> bytes:
    return b"".join(tar_member(f"dog/{n}.png", png(n)) for n in range(3)) + TAR_END


def _samples() -> bytes:
    parts = [tar_member(f"{n}.{e}", d) for n in range(3) for e, d in (("png", png(n)), ("cls", b"cat"))]
    return b"".join(parts) + TAR_END


def _labels() -> bytes:
    lines = ["path,label", "a.png,cat", '"b.png","dog"', "../c.png,cat", ",", "d.png"]
    return tar_member("labels.csv", "\n".join(lines).encode()) + tar_member("a.png", png(1)) + TAR_END


def _jsonl() -> bytes:
    line = b'{"path": "a.png", "label": 1}\n[]\n{"path": 1}\n'
    return tar_member("l.jsonl", line) + tar_member("a.png", png(1)) + TAR_END


DROPS = {
    "x.parquet": _parquet(),
    "x.zip": _zip(),
    "x.tar": _tar(),
    "y.tar": _samples(),
    "x.tar.gz": gzip.compress(_samples()),
    "l.tar": _labels(),
    "j.tar": _jsonl(),
    "p.zip": zip_bytes([ZipMember("a/t.parquet", _parquet()), ZipMember("s.tar", _samples(), method=0)]),
}
PICTURES = [
    encoded(image(1)),
    encoded(image(2), "JPEG"),
    encoded(image(3), "JPEG", progressive=True),
    encoded(image(4), "WEBP"),
    encoded(image(5), "WEBP", lossless=True),
    encoded(image(6), "BMP"),
    encoded(image(7), "GIF"),
    encoded(image(8), "PNG", save_all=True, append_images=[image(9)]),
    encoded(image(10).quantize(16), transparency=1),
]


_NUMBERS = (0, 1, 0x7F, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)


def damage(original: bytes, number: int) -> bytes:
    """The original with some bytes set, cut, doubled or moved, as a random seed says."""
    data, rng = bytearray(original), random.Random(number)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(data) + 1)
        kind = rng.choice(("bit", "set", "set", "number", "cut", "insert", "double", "end"))
        if kind == "bit" and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == "set":
            data[at : at + 1] = rng.randbytes(1)
        elif kind == "number":
            data[at : at + 4] = rng.choice(_NUMBERS).to_bytes(4, rng.choice(("little", "big")))
        elif kind == "cut":
            del data[at : at + rng.randint(1, 600)]
        elif kind == "insert":
            data[at:at] = rng.randbytes(rng.randint(1, 40))
        elif kind == "double":
            data[at:at] = data[at : at + rng.randint(1, 600)]
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


def damaged(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    # bytes drawn one by one would take a hundred times as long as reading them
    return st.builds(damage, st.sampled_from(originals), st.integers(0, 2**64 - 1))


NAMES = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["cat/1.png", "../x.png", "/x", "a/labels.csv", "k.cls", "k.json", "k.png", "t.parquet", "s.tar", "."]
)
CONTENTS = st.binary(max_size=300) | st.sampled_from([png(1), b"cat", b'{"label": 1}', b"path,label\na,b\n"])


@st.composite
def made_up_zip(draw: st.DrawFn) -> bytes:
    members = draw(
        st.lists(
            st.builds(
                ZipMember,
                name=NAMES,
                data=CONTENTS,
                method=st.sampled_from((0, 8, 8, 8, 12, 99)),
                flags=st.sampled_from((0, 1, 1 << 11)),
                mode=st.sampled_from((0o100644, 0o120777, 0o40755, 0)),
                size=st.none() | st.integers(0, 2**32 - 1),
                crc=st.none() | st.integers(0, 2**32 - 1),
                local_name=st.none() | st.just("other"),
                same_as_last=st.booleans(),
            ),
            max_size=6,
        )
    )
    return zip_bytes(
        members, count=draw(st.none() | st.integers(0, 65535)), comment=draw(st.binary(max_size=30))
    )


@st.composite
def made_up_tar(draw: st.DrawFn) -> bytes:
    parts = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(
            st.sampled_from((b"0", b"0", b"0", b"\0", b"1", b"2", b"5", b"x", b"g", b"L", b"K", b"S", b"7"))
        )
        name = draw(NAMES).replace("\0", "") or "x"
        parts.append(tar_member(name, draw(CONTENTS), type=kind, linkname="../x"))
    return b"".join(parts) + (TAR_END if draw(st.booleans()) else b"")


def read(path: Path, spool: Path) -> Iterator[Entry]:
    with spool.open("w+b") as stream, open_drop(path) as drop:
        yield from read_drop(drop, LIMITS, 0, Silent(), stream)


def check(name: str, data: bytes, folder: Path) -> None:
    """Read a drop; all that may come of it is entries with known codes, or one DataError."""
    path = folder / name
    path.write_bytes(data)
    started, size, refused = time.monotonic(), 0, ""
    try:
        for entry in read(path, folder / "spool"):
            size += len(entry.data or b"")
            assert not entry.code or entry.code in REASONS
            assert entry.data is None or len(entry.data) <= LIMITS.most_file_bytes
            assert entry.code or entry.data is not None
            entry.path.encode("utf-8", "surrogateescape")
            check_name(entry.path)
            check_bytes(entry.path, entry.data or b"", named=entry.named)
            SEEN[entry.code or "read"] += 1
    except DataError as error:
        refused = str(error)
        SEEN["refused as a whole"] += 1
    there = {one.name for one in folder.iterdir()}
    path.unlink()
    assert there <= {name, "spool"}
    assert len(refused) < 2000
    assert time.monotonic() - started < MOST_SECONDS
    assert size <= 250 * len(data) + 2**26


def run(test, seconds: float) -> int:
    """Call a Hypothesis test with fresh seeds until the time is over; returns the rounds."""
    ends, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        seed(int.from_bytes(os.urandom(8), "big"))(test)()
        rounds += 1
    return rounds


QUIET = settings(
    max_examples=200,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["damaged", "zip", "tar"])
def test_readers(kind: str, tmp_path: Path) -> None:
    names = st.sampled_from(sorted(DROPS))
    made = {"zip": ("m.zip", made_up_zip()), "tar": ("m.tar", made_up_tar())}

    @QUIET
    @given(st.data())
    def one(data: st.DataObject) -> None:
        name = data.draw(names) if kind == "damaged" else made[kind][0]
        content = data.draw(damaged([DROPS[name]]) if kind == "damaged" else made[kind][1])
        check(name, content, tmp_path)

    rounds = run(one, SECONDS / 4)
    print(f"readers, {kind}: {rounds * 200} drops; {dict(SEEN)}")  # noqa: T201


@pytest.mark.timeout(7200)
def test_decoder(tmp_path: Path) -> None:
    lock = (tmp_path / "lock").open("w")
    decoder = Decoder(2**20, 32, 3, "stretch", lock.fileno())
    seen: Counter[bytes] = Counter()

    @QUIET
    @given(damaged(PICTURES))
    def one(data: bytes) -> None:
        started = time.monotonic()
        kind, *rest = decoder.answer(data)
        seen[kind] += 1
        if kind == ACCEPTED:
            assert rest[0].startswith(b"\x89PNG")
        else:
            assert kind == REFUSED
            assert rest[0].decode() in REASONS
        assert time.monotonic() - started < MOST_SECONDS

    rounds = run(one, SECONDS / 4)
    lock.close()
    print(f"decoder: {rounds * 200} pictures; {dict(seen)}")  # noqa: T201
