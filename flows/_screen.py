"""What a person sees while a run works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from flows._lines import Line

_EVERY = 2.0  # seconds between two plain progress lines of one stage
_FRAME = frozenset({"event", "step", "label", "done", "total", "unit", "seconds_left", "text"})


def title(stage: str) -> str:
    """`stage1 digits/badnets/asd/0` for dvc's `stage1@digits-badnets-asd-0`."""
    step, _, item = stage.partition("@")
    return f"{step} {item.replace('-', '/')}".strip()


def figures(event: dict[str, Any]) -> str:
    """`epoch 3/60  loss 0.31  pool 450  12 s left` of a progress event."""
    words = [f"{event.get('unit', '')} {event.get('done')}/{event.get('total')}".strip()]
    words += [f"{key} {_short(value)}" for key, value in event.items() if key not in _FRAME]
    if event.get("seconds_left") is not None:
        words.append(f"{float(event['seconds_left']):.0f} s left")
    return "  ".join(words)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Screen:
    """Shows the lines of several stages at once; may be called from several threads."""

    def __init__(self, *, verbose: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.verbose = verbose
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._current = ""  # the stage of a plain `dvc repro`, which runs one after the other
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[figures]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, style=style or None, markup=False)

    def started(self, stage: str, reason: str = "") -> None:
        """A stage begins, and why it is stale."""
        self.say(f"{title(stage)}: started" + (f" ({reason})" if reason else ""))

    def finished(self, stage: str, word: str, seconds: float) -> None:
        """A stage ended well."""
        self._forget(title(stage))
        self.say(f"{title(stage)}: {word} ({seconds:.1f} s)", "green")

    def failed(self, stage: str, message: str) -> None:
        """A stage failed; all lines of its message."""
        self._forget(title(stage))
        self.say(f"{title(stage)}: failed: {message}", "bold red")

    def line(self, line: Line, stage: str = "") -> None:
        """One line of a stage's output; noise and unknown text only when verbose.

        Without `stage` it is one of a plain `dvc repro`, which says itself what it does.
        """
        label = f"{line.event.get('step', '')} {line.event.get('label', '')}".strip() or title(stage)
        if line.kind == "progress":
            self._show(label, line.event)
        elif line.kind == "say":
            self.say(f"{label}: {line.text}")
        elif line.kind == "warning":
            self.say(f"{label}: WARNING: {line.text}", "yellow")
        elif line.kind in ("running", "cached", "error") and not stage:
            self._plain(line)
        elif self.verbose and line.text:
            self.say(f"{label}: {line.text}" if label else line.text, "dim")

    def _plain(self, line: Line) -> None:
        if line.kind == "running":
            self._current = line.text
            self.started(line.text)
        elif line.kind == "cached":
            self.say(f"{title(line.text)}: taken from the cache", "green")
        else:
            self.failed(self._current, line.text)

    def _show(self, label: str, event: dict[str, Any]) -> None:
        done, total = int(event.get("done", 0)), int(event.get("total", 0))
        if self.console.is_terminal:
            with self._lock:
                if label not in self._bars:
                    self._bars[label] = self._progress.add_task(label, figures="")
            self._progress.update(self._bars[label], completed=done, total=total, figures=figures(event))
            if done >= total:
                self._forget(label)
                self.say(f"{label}: {figures(event)}")
            return
        now = time.monotonic()
        with self._lock:
            due = done >= total or now - self._said.get(label, -_EVERY) >= _EVERY
            if due:
                self._said[label] = now
        if due:
            self.say(f"{label}: {figures(event)}")

    def _forget(self, label: str) -> None:
        with self._lock:
            bar = self._bars.pop(label, None)
        if bar is not None:
            self._progress.remove_task(bar)
