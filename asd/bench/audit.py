"""How much memory the audit's commands take, and how fast its pages are, on runs of any size."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import numpy as np

from asd.audit.ledger import Ledger
from asd.audit.queries import SampleFilter, sample_page
from asd.audit.runs import current_run
from asd.errors import AsdError
from asd.layout import Cell, Layout

WARM_UP, MEASURED = 2, 20
"""Requests of each page before and while it is measured."""

_ASD = (sys.executable, "-c", "import sys; from asd.cli import main; sys.exit(main())")
_START = 60.0
_PAUSE = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True)
class Command:
    """What one command took: seconds, and the most memory its process held, in MiB."""

    command: str
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class PageTime:
    """Milliseconds of one page over `MEASURED` requests after warm-up."""

    page: str
    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class AuditBench:
    """All that `asd bench audit` measures.

    Attributes:
        samples: N of each run.
        epochs: of each run.
        commands: one entry a documented command.
        pages: one entry a page; the gallery's first page and its filters.
        all_pages: over all requests of all pages.
        server_peak_mib: most memory of the server.
        page_of_parquet_ms: a page of samples read from the files, median of 5 in one process ...
        page_of_memory_ms: ... and from the ledger's memory, as the pages do it; the ratio is what that buys.
    """

    samples: int
    epochs: int
    commands: list[Command]
    pages: list[PageTime]
    all_pages: PageTime
    server_peak_mib: float
    page_of_parquet_ms: float
    page_of_memory_ms: float

    @property
    def speed_up(self) -> float:
        """How many times faster a page is from memory."""
        return self.page_of_parquet_ms / self.page_of_memory_ms


def measure(samples: int, epochs: int, say: Say, folder: Path | None = None) -> AuditBench:
    """Make two runs in a temporary folder, measure, and delete them.

    Args:
        samples: of each run.
        epochs: of each run.
        say: hears the progress.
        folder: where the temporary folder is made; default: the system's.

    Raises:
        AsdError: a command failed, or the server did not start.
    """
    with tempfile.TemporaryDirectory(prefix="asd-bench-", dir=folder) as temporary:
        root = Path(temporary) / "workspace"
        say(f"making two runs of {samples:,} samples and {epochs} epochs")
        before, after = _make_runs(root, samples, epochs)
        commands = []
        for words in _commands(before, after, Path(temporary), samples):
            say(f"asd {' '.join(words)}")
            commands.append(_run(words, root))
        say("asd audit serve")
        pages, everything, peak = _pages(root, after)
        slow, fast = _one_page(Layout(root), after)
    return AuditBench(samples, epochs, commands, pages, everything, peak, slow, fast)


def _make_runs(root: Path, samples: int, epochs: int) -> list[Cell]:
    """In a process of its own: a child's peak memory counts what its parent held when it started."""
    code = (
        "import sys; from pathlib import Path; from asd.bench.made_up_runs import write_runs; "
        "print(*write_runs(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))"
    )
    words = [sys.executable, "-c", code, str(root), str(samples), str(epochs)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise AsdError(f"the made-up runs could not be written (exit {done.returncode})")
    parts = [name.split("/") for name in done.stdout.split()]
    return [Cell(part[0], part[1], part[2], int(part[3])) for part in parts]


def _commands(before: Cell, after: Cell, out: Path, samples: int) -> list[list[str]]:
    key = f"train_{samples // 2:08d}"
    one = ["--cell", str(after)]
    by_epoch = "select epoch, count(*) as n, avg(loss) as loss from history where in_clean_pool group by 1"
    return [
        ["audit", "summary", str(after)],
        ["audit", "sample", key, *one],
        ["audit", "pool", "--verdict", "suspect", *one],
        ["audit", "sql", "select verdict, count(*) as n from samples group by 1", *one],
        ["audit", "sql", f"select * from history where key = '{key}' order by epoch", *one],
        ["audit", "sql", by_epoch, *one],
        ["audit", "diff", str(before), str(after)],
        *(["audit", "export", str(out / f"samples.{kind}"), *one] for kind in ("parquet", "csv", "jsonl")),
    ]


def _run(words: list[str], root: Path) -> Command:
    started = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([*_ASD, *words], cwd=root, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise AsdError(f"`asd {' '.join(words)}` failed with {process.returncode}: {' '.join(last)}")
    return Command("asd " + " ".join(words), time.monotonic() - started, _mib(usage.ru_maxrss))


def _mib(maximum_resident: int) -> float:
    """Of `ru_maxrss`: KiB on Linux, bytes on macOS."""
    return maximum_resident / (2**20 if sys.platform == "darwin" else 2**10)


def _one_page(layout: Layout, cell: Cell) -> tuple[float, float]:
    """Milliseconds of a gallery's page from the files and from memory."""
    run = current_run(layout, cell)
    with Ledger(layout, [run]) as ledger:
        slow = _median_ms(lambda: sample_page(ledger, run, SampleFilter()))
        ledger.load(run)
        return slow, _median_ms(lambda: sample_page(ledger, run, SampleFilter()))


def _median_ms(call: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times + 1):  # the first one warms up
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken[1:]))


# -- pages --------------------------------------------------------------------------------------


def _pages(root: Path, cell: Cell) -> tuple[list[PageTime], PageTime, float]:
    gallery = f"/run/{cell}/samples"
    paths = [gallery]
    paths += [
        f"{gallery}?{query}"
        for query in (
            "verdict=suspect",
            "verdict=unused&verdict=undecided",
            "class=class_3",
            "source=vendor_03.parquet",
            "pool=yes",
            "q=777",
            "sort=final_loss",
            "sort=key&order=up",
            "verdict=clean&class=class_3&sort=loss_reduction",
            "page=1000",
        )
    ]
    found, everything = [], []
    with _server(root) as (address, process):
        for path in paths:
            taken = [_get(address + path) for _ in range(WARM_UP + MEASURED)][WARM_UP:]
            everything += taken
            found.append(_page_time(path, taken))
        process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return found, _page_time("all", everything), _mib(usage.ru_maxrss)


def _page_time(page: str, taken: list[float]) -> PageTime:
    return PageTime(page, float(np.median(taken)), float(np.quantile(taken, 0.95)))


def _get(address: str) -> float:
    """Milliseconds until the whole page is there."""
    started = time.perf_counter()
    with urllib.request.urlopen(address, timeout=_START) as answer:  # noqa: S310  # our own server on loopback
        answer.read()
    return 1000 * (time.perf_counter() - started)


@contextmanager
def _server(root: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["audit", "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*_ASD, *words], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process)
        yield address, process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AsdError(f"`asd audit serve` ended with {process.returncode}")
        try:
            _get(address + "/")
        except (URLError, ConnectionError):
            time.sleep(_PAUSE)
        else:
            return
    raise AsdError(f"`asd audit serve` did not answer within {_START:.0f} s")
