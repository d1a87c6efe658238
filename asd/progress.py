"""What a step says while it works: progress, figures, warnings.

A step prints to standard output. For a person that is a line; for the flow (environment
`ASD_PROGRESS=json`) it is `@asd {json}`, one event a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TextIO


class Reporter:
    """Prints events of one step; `label` is what a reader sees first, such as a cell."""

    def __init__(self, step: str, label: str, stream: TextIO | None = None) -> None:
        self.step = step
        self.label = label
        self._stream = stream or sys.stdout
        self._json = os.environ.get("ASD_PROGRESS") == "json"
        self._started: float | None = None
        self._started_at = 0
        self._counted: tuple[int, str] | None = None

    def progress(self, done: int, total: int, unit: str, **figures: float | int | str) -> None:
        """`done` of `total` units are finished; figures such as `loss=0.31, pool=450`."""
        now = time.monotonic()
        if self._started is None or self._counted != (total, unit) or done < self._started_at:
            self._started, self._started_at = now, done  # another count has another pace
            self._counted = (total, unit)
        left = None
        if done > self._started_at:
            left = (now - self._started) / (done - self._started_at) * (total - done)
        event: dict[str, object] = {"done": done, "total": total, "unit": unit, **figures}
        text = "  ".join([f"{unit} {done}/{total}", *(f"{k} {_short(v)}" for k, v in figures.items())])
        if left is not None:
            event["seconds_left"] = round(left, 1)
            text += f"  {left:.0f} s left"
        self._emit("progress", text, event)

    def say(self, text: str) -> None:
        """A fact worth a line."""
        self._emit("say", text, {"text": text})

    def warn(self, text: str) -> None:
        """Something that a person should look at; also lands in the report of the run."""
        self._emit("warning", f"WARNING: {text}", {"text": text})

    def _emit(self, kind: str, text: str, event: dict[str, object]) -> None:
        if self._json:
            whole = {"event": kind, "step": self.step, "label": self.label, **event}
            line = "@asd " + json.dumps(whole, sort_keys=True)
        else:
            line = f"{self.step} {self.label}: {text}"
        print(line, file=self._stream, flush=True)


def _short(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
