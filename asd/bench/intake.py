"""How many pictures a second pass the gate, and how much memory the gate and its processes take."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from asd.errors import AsdError
from asd.rng import numpy_generator
from asd.shards import tar

FORMS = ("parquet", "folder", "tar")
SIDE, CLASSES = 32, 10
_ROWS = 2000
_PLAIN = 5000  # pictures of the plain loop: it is as fast with more
_LOOK_EVERY = 0.05

Say = Callable[[str], None]


@dataclass(frozen=True)
class IntakeBench:
    """What `asd bench intake` measures.

    Attributes:
        form: `parquet`, `folder` (of class folders) or `tar` (of class folders).
        images: N pictures, 32 x 32, JPEG.
        seconds: through the whole gate, its start included.
        images_per_second: N a second ...
        plain_per_second: ... and of a loop in one process that opens, decodes and saves as PNG.
        gate_cpu_ms, all_cpu_ms: CPU milliseconds a picture, of the gate alone and with its processes.
        peak_mib: most memory of the gate and all its processes at one time; what they share counts once.
        allowed_mib: 256 MiB and 64 bytes a picture.
        accepted: pictures that passed.
    """

    form: str
    images: int
    seconds: float
    images_per_second: float
    plain_per_second: float
    gate_cpu_ms: float
    all_cpu_ms: float
    peak_mib: float
    allowed_mib: float
    accepted: int

    @property
    def ratio(self) -> float:
        """Pictures a second of the gate for one of the plain loop."""
        return self.images_per_second / self.plain_per_second


def measure(images: int, form: str, say: Say, folder: Path | None = None) -> IntakeBench:
    """Make a drop in a temporary folder, measure, and delete it.

    Args:
        images: N.
        form: one of `FORMS`.
        say: hears the progress.
        folder: where the temporary folder is made; default: the system's.

    Raises:
        AsdError: the gate failed.
    """
    with tempfile.TemporaryDirectory(prefix="asd-bench-", dir=folder) as temporary:
        say(f"making {images:,} pictures")
        drop = _make(Path(temporary), images, form)
        say("a plain loop with Pillow")
        plain = _plain(min(images, _PLAIN))
        say("the gate")
        done, peak = _gate(drop)
    return IntakeBench(
        form=form,
        images=images,
        seconds=done["seconds"],
        images_per_second=images / done["seconds"],
        plain_per_second=plain,
        gate_cpu_ms=1000 * done["own"] / images,
        all_cpu_ms=1000 * done["all"] / images,
        peak_mib=peak / 2**20,
        allowed_mib=256 + 64 * images / 2**20,
        accepted=int(done["accepted"]),
    )


def picture(number: int) -> bytes:
    """A made-up picture as JPEG: smooth shapes and some noise, unlike all others."""
    rng = numpy_generator(0, "intake bench", number)
    shapes = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    smooth = np.asarray(shapes.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
    noisy = smooth + rng.integers(-12, 13, smooth.shape, dtype=np.int16)
    stream = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _make(folder: Path, images: int, form: str) -> Path:
    if form == "parquet":
        path = folder / "drop.parquet"
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        with pq.ParquetWriter(path, pa.schema([("img", kind), ("label", pa.int64())])) as writer:
            for start in range(0, images, _ROWS):
                rows = range(start, min(start + _ROWS, images))
                cells = [{"bytes": picture(row), "path": f"{row}.jpg"} for row in rows]
                labels = pa.array([row % CLASSES for row in rows], pa.int64())
                writer.write_table(pa.table([pa.array(cells, kind), labels], writer.schema))
        return path
    if form == "tar":
        path = folder / "drop.tar"
        with path.open("wb") as stream:
            for number in range(images):
                stream.write(tar.member(_name(number), picture(number)))
            stream.write(tar.TRAILER)
        return path
    for number in range(images):
        file = folder / "drop" / _name(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(number))
    return folder / "drop"


def _name(number: int) -> str:
    return f"class_{number % CLASSES}/{number:07d}.jpg"


def _plain(images: int) -> float:
    """Pictures a second of the loop that people write first."""
    sent = [picture(number) for number in range(images)]
    started = time.perf_counter()
    for data in sent:
        with Image.open(io.BytesIO(data)) as opened:
            opened.convert("RGB").save(io.BytesIO(), "PNG")
    return images / (time.perf_counter() - started)


def _gate(drop: Path) -> tuple[dict[str, float], int]:
    """What a gate in a process of its own says of its times, and the most memory in bytes."""
    words = [sys.executable, "-c", "from asd.bench.intake import judge; judge()", str(drop)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(_LOOK_EVERY)
        assert process.stdout is not None  # noqa: S101
        said = process.stdout.read()
    if process.returncode:
        raise AsdError(f"the gate failed with {process.returncode}")
    return json.loads(said), peak


def memory_of(pid: int) -> int:
    """Bytes of a process and all below it; on Linux what several share counts once."""
    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except psutil.AccessDenied:  # the gate's processes hide from all but root
            total += _resident(process)
        except psutil.NoSuchProcess:
            continue
    return total


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def judge() -> None:
    """Send the drop that the command line names through the gate and print times as JSON."""
    from asd.intake.gate import Rules, judge_drop
    from asd.intake.index import ContentIndex
    from asd.intake.types import Accepted
    from asd.progress import Reporter

    started = time.perf_counter()
    rules, reporter = Rules(image_size=SIDE), Reporter("bench", "intake", sys.stderr)
    with ContentIndex(None) as earlier:
        judged = judge_drop(Path(sys.argv[1]), rules, earlier, reporter)
        accepted = sum(isinstance(one, Accepted) for one in judged)
    seconds = time.perf_counter() - started
    times = psutil.Process().cpu_times()
    own, children = times.user + times.system, times.children_user + times.children_system
    found = {"seconds": seconds, "own": own, "all": own + children, "accepted": accepted}
    sys.stdout.write(json.dumps(found))
