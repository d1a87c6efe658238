"""What a step says about the time that is left."""

import io
import json

import pytest

from asd import progress
from asd.progress import Reporter


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def seconds_left(clock, reports):
    """What is said to be left at each (time, done, total, unit)."""
    stream = io.StringIO()
    reporter = Reporter("prepare", "digits/iab", stream)
    reporter._json = True
    for at, done, total, unit in reports:
        clock[0] = at
        reporter.progress(done, total, unit)
    lines = stream.getvalue().splitlines()
    return [json.loads(line.removeprefix("@asd ")).get("seconds_left") for line in lines]


def test_time_left_goes_by_the_pace_since_the_first_report(clock):
    reports = [(5, 2, 10, "epoch"), (9, 4, 10, "epoch"), (15, 5, 10, "epoch")]
    # the first gives no pace; then 2 epochs in 4 s, then 3 epochs in 10 s
    assert seconds_left(clock, reports) == [None, 12.0, round(10 / 3 * 5, 1)]


def test_a_second_count_has_a_pace_of_its_own(clock):
    """After a long first training the second one's first epochs do not carry its time."""
    reports = [(0, 1, 2, "mask epoch"), (90, 2, 2, "mask epoch"), (100, 1, 4, "epoch"), (103, 2, 4, "epoch")]
    assert seconds_left(clock, reports) == [None, 0.0, None, 6.0]


def test_the_same_count_again_starts_anew(clock):
    assert seconds_left(clock, [(0, 1, 3, "epoch"), (9, 3, 3, "epoch"), (10, 1, 3, "epoch")])[-1] is None
