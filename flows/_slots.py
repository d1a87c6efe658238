"""Whose turn it is: the first stage of the plan that can run, so that a cell is finished before the next.

The plan goes through cell after cell. If slots went to who asks first, the first stages of all
cells would run before the second stage of any, and a campaign that is stopped would have no result.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flows._dvc import PlannedStage

PATIENCE = 30.0
"""Seconds for which a slot is kept for a stage that can run and has not asked: its thread may never ask."""


class Slots:
    """At most `jobs` stages work at once."""

    def __init__(self, jobs: int, stages: Sequence[PlannedStage], patience: float = PATIENCE) -> None:
        """Take the stages that are to run, in the order of the plan."""
        self._patience = patience
        self._asking: list[str] = []
        names = {stage.name for stage in stages}
        self._waits_for = {stage.name: names.intersection(stage.upstream) for stage in stages}
        self._free = jobs
        self._left = [stage.name for stage in stages]  # neither at work nor done nor failed
        self._change = threading.Condition()

    @contextmanager
    def turn(self, stage: str) -> Iterator[None]:
        """Wait for the stage's turn and hold a slot; an exception means that the stage failed.

        A stage that can run keeps its turn although its thread may not have asked for it yet. One
        that failed has a turn again when it asks again.
        """
        with self._change:
            if stage not in self._left:  # another try
                self._left.insert(0, stage)
            self._asking.append(stage)
            while stage not in self._next(self._left):
                told = self._change.wait(self._patience)
                if not told and stage in self._next(self._asking):
                    break
            self._asking.remove(stage)
            self._left.remove(stage)
            self._free -= 1
            self._change.notify_all()
        done = False
        try:
            yield
            done = True
        finally:
            with self._change:
                self._free += 1
                if done:
                    for waits in self._waits_for.values():
                        waits.discard(stage)
                self._change.notify_all()

    def _next(self, among: list[str]) -> list[str]:
        """As many stages as there are free slots: the first of the plan that wait for nothing."""
        ready = [stage for stage in self._left if stage in among and not self._waits_for[stage]]
        return ready[: self._free]
