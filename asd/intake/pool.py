"""A few decoding processes: each picture goes to one, answers come in the order of asking.

A process that dies or hangs is replaced. The picture that it had at hand is tried once more in a
fresh one; if that dies too, the picture is refused, and those behind it go on.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import tempfile
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from asd.errors import DataError
from asd.intake.processes import Child, Watch, wait
from asd.intake.worker import ACCEPTED, FACTS, REFUSED

_AHEAD_COUNT, _AHEAD_BYTES = 32, 2**18  # what a process has in line while it works
_MOST_HELD = 24 * 2**20  # bytes of copies that nobody has taken yet
_LARGE = 2**14  # smaller ones are not counted: the window of the gate bounds them
_MOST_DEATHS = 400  # of processes in one drop: each costs some tenths of a second, or the time limit
_MOST_WORKERS = 4
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@dataclass(frozen=True)
class Copy:
    """A picture as the worker gives it back: see `asd.intake.types.Accepted`."""

    png: bytes
    width: int
    height: int
    perceptual_hash: int
    content_sha256: str
    trained_sha256: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class NoCopy:
    """Why there is none: a code of `asd.intake.reasons`, and words."""

    code: str
    message: str


@dataclass
class Task:
    """A picture to decode, and what came of it."""

    data: bytes
    answer: Copy | NoCopy | None = None
    deaths: int = 0


@dataclass
class _Worker:
    child: Child
    watch: Watch
    tasks: deque[Task] = field(default_factory=deque)
    bytes: int = 0

    def takes(self, size: int) -> bool:
        if not self.tasks:
            return True
        return len(self.tasks) < _AHEAD_COUNT and self.bytes + size <= _AHEAD_BYTES


class DecodePool:
    """Decoding processes; a context manager, which ends them.

    Args:
        form: `most_pixels`, `image_size`, `channels`, `fit` of `asd.intake.worker.Decoder`.
        seconds: of CPU for one picture.
        count: of processes; default: one a core, at most 4.
    """

    def __init__(self, form: dict[str, object], seconds: float, count: int | None = None) -> None:
        self._lock = tempfile.TemporaryFile()  # noqa: SIM115  # whoever decodes a large picture holds it
        self._config = json.dumps({**form, "seconds": seconds, "lock": self._lock.fileno()})
        self._largest_answer = 8 * int(str(form["most_pixels"])) + 2**20
        self._seconds = seconds
        self._waiting: deque[Task] = deque()
        self._deaths = self._held = 0
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._count = count or min(cores, _MOST_WORKERS)
        self._workers: list[_Worker] = []  # started when they are needed

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.child.close()
        self._lock.close()

    @property
    def children(self) -> list[Child]:
        """The processes that run now."""
        return [worker.child for worker in self._workers]

    @property
    def is_full(self) -> bool:
        """Whether copies wait to be taken before more are made."""
        return self._held >= _MOST_HELD

    def add(self, task: Task) -> None:
        """Put a picture into line."""
        self._waiting.append(task)
        self._feed()

    def work(self, others: Sequence[Child] = ()) -> list[Child]:
        """Wait a moment for answers; returns those of `others` that have something to say.

        Raises:
            DataError: too many pictures of the drop killed the decoder.
        """
        said = wait([*self.children, *others], 1.0)
        for worker in self._workers:
            if worker.child in said:
                self._receive(worker)
        for place, worker in enumerate(self._workers):
            if not worker.child.alive or (worker.tasks and worker.watch.is_over):
                self._workers[place] = self._replace(worker)
        self._feed()
        return [child for child in others if child in said]

    def _start(self) -> _Worker:
        child = Child("worker", self._config, self._largest_answer, [self._lock.fileno()])
        # by the wall clock much more is allowed: other processes may have the cores
        return _Worker(child, Watch(30 + 10 * self._seconds))

    def _feed(self) -> None:
        while self._waiting and (not self.is_full or not any(one.tasks for one in self._workers)):
            size = len(self._waiting[0].data)
            if len(self._workers) < self._count and all(one.tasks for one in self._workers):
                self._workers.append(self._start())
            worker = min(self._workers, key=lambda one: len(one.tasks))
            if not worker.takes(size):
                return
            task = self._waiting.popleft()
            if not worker.tasks:
                worker.watch.restart()
            worker.tasks.append(task)
            worker.bytes += size
            worker.child.send([task.data])

    def _receive(self, worker: _Worker) -> None:
        for fields in worker.child.receive():
            answer = _parse(fields)
            if not worker.tasks or answer is None:  # it was taken over: it says what no worker says
                worker.child.alive = False
                return
            task = worker.tasks.popleft()
            worker.bytes -= len(task.data)
            worker.watch.restart()
            task.answer = answer
            if isinstance(answer, Copy) and len(answer.png) > _LARGE:
                self._held += len(answer.png)
                weakref.finalize(task, self._let_go, len(answer.png)).atexit = False

    def _let_go(self, size: int) -> None:
        """Whoever asked for a copy has let go of its task."""
        self._held -= size

    def _replace(self, worker: _Worker) -> _Worker:
        hung = worker.child.alive
        worker.child.close()
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise DataError(f"more than {_MOST_DEATHS} pictures of this drop killed the decoder")
        tasks = worker.tasks
        if tasks:
            tasks[0].deaths += 1
            slow = hung or worker.child.signal == signal.SIGPROF
            if slow or tasks[0].deaths > 1:
                tasks.popleft().answer = self._died(worker.child, slow)
        self._waiting.extendleft(reversed(tasks))
        return self._start()

    def _died(self, child: Child, slow: bool) -> NoCopy:
        if slow:
            return NoCopy("too-slow", f"decoding took more than {self._seconds:g} s")
        number = child.signal
        how = "ended" if number is None else f"was killed by {signal.Signals(number).name}"
        return NoCopy("killed-decoder", f"the decoder {how}, twice")


def _parse(fields: list[bytes]) -> Copy | NoCopy | None:
    """An answer; None if it is none. A worker has seen hostile bytes: nothing of it is believed as it is."""
    try:
        if fields[0] == REFUSED:
            _, code, message = fields
            return NoCopy(code.decode("ascii"), message.decode(errors="replace"))
        kind, png, facts, content, trained, flags = fields
        width, height, perceptual = FACTS.unpack(facts)
        head = _PNG_START + width.to_bytes(4, "big") + height.to_bytes(4, "big")
        if kind != ACCEPTED or not png.startswith(head) or {len(content), len(trained)} != {32}:
            return None
        words = tuple(flags.decode("ascii").split(",")) if flags else ()
        return Copy(png, width, height, perceptual, content.hex(), trained.hex(), words)
    except (ValueError, IndexError, struct.error):
        return None
