"""Children of the gate: started clean, spoken to without waiting, killed when they hang."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import asd
from asd.intake.frames import CHUNK, FrameError, FrameParser, pack, parts

_ROOT = Path(asd.__file__).resolve().parent.parent
_START = "import sys; sys.path.insert(0, sys.argv[1]); from asd.intake.{0} import main; main(sys.argv[2])"
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",  # each thread would take memory that the limit counts
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",  # what a large picture took goes back at once
}


class Child:
    """One child with its two pipes, both without waiting.

    Args:
        module: below `asd.intake`, with a function `main(config)`.
        config: JSON text for it.
        largest: bytes of the largest frame that it may send.
        handles: open files that it inherits.
    """

    def __init__(self, module: str, config: str, largest: int, handles: Sequence[int] = ()) -> None:
        words = [sys.executable, "-I", "-c", _START.format(module), str(_ROOT), config]
        shown = None if os.environ.get("ASD_DEBUG") == "1" else subprocess.DEVNULL
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=shown,
            env=_environment(os.environ),
            pass_fds=tuple(handles),
            bufsize=0,
        )
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self.input, self.output = self._process.stdin.fileno(), self._process.stdout.fileno()
        for handle in (self.input, self.output):
            os.set_blocking(handle, False)
        self.alive = True
        self._parser = FrameParser(largest)
        self._waiting: deque[memoryview] = deque()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def signal(self) -> int | None:
        """The signal that ended it, once it is closed."""
        code = self._process.returncode
        return -code if code is not None and code < 0 else None

    @property
    def has_output_waiting(self) -> bool:
        """Whether bytes wait to be written to it."""
        return bool(self._waiting)

    def send(self, fields: Sequence[bytes]) -> None:
        """Put a frame into line and write what the pipe takes now."""
        small = sum(map(len, fields)) < CHUNK
        found = [pack(fields)] if small else [part for part in parts(fields) if part]
        self._waiting.extend(map(memoryview, found))
        self.flush()

    def flush(self) -> None:
        """Write what the pipe takes now; a child that is gone is noticed when it is read."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._waiting:
                sent = os.write(self.input, self._waiting[0][:CHUNK])
                self._waiting[0] = self._waiting[0][sent:]
                if not self._waiting[0]:
                    self._waiting.popleft()

    def receive(self) -> Iterator[list[bytes]]:
        """The frames that are whole by now; the child is dead when it sent its last or none at all.

        A child that sends what is no frame is killed.
        """
        try:
            data = os.read(self.output, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.alive = False
            return
        self._parser.feed(data)
        try:
            yield from self._parser.frames()
        except FrameError:
            self.alive = False

    def close(self) -> None:
        """Kill it and wait for its end."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but what finds the interpreter's libraries: no secret is in reach of the child."""
    return {**_ENVIRONMENT, **{k: ours[k] for k in ("LD_LIBRARY_PATH", "TMPDIR") if k in ours}}


class Watch:
    """Wall clock over something that should go on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """It went on."""
        self._since = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether it has stood still for too long."""
        return time.monotonic() - self._since > self._seconds


def wait(children: Sequence[Child], seconds: float) -> list[Child]:
    """The children that have something to say; writes to those that have room."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child.output, selectors.EVENT_READ, child)
            if child.has_output_waiting:
                selector.register(child.input, selectors.EVENT_WRITE, child)
        found = []
        for key, events in selector.select(seconds):
            if events & selectors.EVENT_WRITE:
                key.data.flush()
            else:
                found.append(key.data)
        return found
