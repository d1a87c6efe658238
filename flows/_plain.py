"""Following a plain `dvc repro` by its lines: which stage works, which one ended, how long it took."""

from __future__ import annotations

import re
import time

from asd.operations.foreign_errors import explain_dvc
from asd.operations.run_record import RunRecord
from flows._lines import Line
from flows._screen import figures

_UNCHANGED = re.compile(r"Stage '(?P<stage>[^']+)' didn't change")
_FAILED = re.compile(r"failed to reproduce '(?P<stage>[^']+)'")


class PlainRun:
    """Notes in the record what the lines of one `dvc repro` tell; it runs one stage after the other."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._stage = ""  # the one that works
        self._began = 0.0
        self._failed: set[str] = set()

    def line(self, line: Line) -> None:
        """One line, in the order in which they come."""
        if line.kind == "running":
            self._finish()
            self._stage, self._began = line.text, time.monotonic()
            self._record.progress(self._stage)
        elif line.kind == "cached":
            self._finish()
            self._record.done(line.text, None)
        elif line.kind == "noise" and (found := _UNCHANGED.match(line.text)):
            self._record.done(found["stage"], None)
        elif line.kind == "progress" and self._stage:
            self._record.progress(self._stage, figures(line.event))
        elif line.kind == "error" and self._stage:
            self._fail(self._stage, line.text)
        elif line.kind == "dvc_error" and (found := _FAILED.match(line.text)):
            self._fail(found["stage"], str(explain_dvc(line.text) or line.text))

    def end(self, *, stopped: bool) -> None:
        """The process has ended; `stopped` when it was by a signal."""
        if not stopped:
            self._finish()

    def _fail(self, stage: str, message: str) -> None:
        if stage not in self._failed:  # the step's own words come first
            self._failed.add(stage)
            self._record.failed(stage, message)

    def _finish(self) -> None:
        if self._stage and self._stage not in self._failed:
            self._record.done(self._stage, time.monotonic() - self._began)
        self._stage = ""
