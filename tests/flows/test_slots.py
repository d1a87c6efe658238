"""Whose turn it is: cell after cell, whoever asks first."""

import threading

import pytest

from flows._dvc import PlannedStage
from flows._slots import Slots

PLAN = [("a1", ()), ("a2", ("a1",)), ("b1", ()), ("b2", ("b1",)), ("c1", ("elsewhere",))]


def stages():
    return [PlannedStage(name, upstream, True, "not run yet", ()) for name, upstream in PLAN]


class Asking:
    """A thread that asks for a turn and holds it until it is told to end."""

    def __init__(self, slots, stage, log, *, fails=False):
        self.has, self.end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(slots, stage, log, fails), daemon=True)
        self._thread.start()

    def _run(self, slots, stage, log, fails):
        try:
            with slots.turn(stage):
                log.append(stage)
                self.has.set()
                self.end.wait(10)
                if fails:
                    raise RuntimeError
        except RuntimeError:
            pass

    def finish(self):
        self.end.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_a_cell_is_finished_before_the_next_even_if_the_next_asked_first():
    slots, log = Slots(1, stages()), []
    a1 = Asking(slots, "a1", log)
    assert a1.has.wait(10)
    b1 = Asking(slots, "b1", log)
    a1.finish()
    assert not b1.has.wait(0.3)  # a2 can run now and has its turn, though nobody asked yet
    a2 = Asking(slots, "a2", log)
    assert a2.has.wait(10)
    a2.finish()
    assert b1.has.wait(10)
    b1.finish()
    assert log == ["a1", "a2", "b1"]


def test_two_slots_hold_the_first_two_that_can_run():
    slots, log = Slots(2, stages()), []
    asking = {name: Asking(slots, name, log) for name in ("c1", "b1", "a1")}
    assert asking["a1"].has.wait(10)
    assert asking["b1"].has.wait(10)
    assert not asking["c1"].has.wait(0.3)
    asking["b1"].finish()
    assert not asking["c1"].has.wait(0.3)  # b2 comes before c1 in the plan
    for name in ("b2", "a1"):
        one = asking.get(name) or Asking(slots, name, log)
        assert one.has.wait(10)
        one.finish()
    a2 = Asking(slots, "a2", log)
    assert a2.has.wait(10)
    a2.finish()
    assert asking["c1"].has.wait(10)
    asking["c1"].finish()
    assert sorted(log) == ["a1", "a2", "b1", "b2", "c1"]


def test_a_stage_that_failed_holds_nobody_up_and_has_a_turn_when_it_asks_again():
    slots, log = Slots(1, stages()), []
    first = Asking(slots, "a1", log, fails=True)
    assert first.has.wait(10)
    b1 = Asking(slots, "b1", log)
    first.finish()
    assert b1.has.wait(10)  # a1 failed, so a2 cannot run
    again = Asking(slots, "a1", log)
    assert not again.has.wait(0.3)
    b1.finish()
    assert again.has.wait(10)
    again.finish()
    assert log == ["a1", "b1", "a1"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_stage_gets_its_turn(jobs):
    slots, log = Slots(jobs, stages()), []
    for name, _ in PLAN:
        one = Asking(slots, name, log)
        assert one.has.wait(10)
        one.finish()
    assert log == [name for name, _ in PLAN]


def test_a_stage_that_never_asks_holds_nobody_up_for_long():
    slots, log = Slots(1, stages(), patience=0.2), []
    b1 = Asking(slots, "b1", log)  # a1 is before it in the plan, and nobody will ever ask for it
    assert b1.has.wait(10)
    b1.finish()
    assert log == ["b1"]
