"""Means with intervals, against published examples and sums done by hand."""

import math

import pytest

from asd.metrics import wilson_interval
from asd.reproduce.intervals import of_auroc_difference, of_difference, of_shares

T_2 = 4.302652729911275  # 97.5% point of Student's distribution with 2 degrees of freedom
SLACK = 1e-9


def test_one_trial_has_the_interval_of_its_test_pictures():
    found = of_shares([0.25], 400)
    assert (found.low, found.high) == wilson_interval(100, 400)
    assert (found.mean, found.trials) == (0.25, 1)


def test_three_trials_that_differ_have_students_interval():
    """Mean 0.5, standard deviation 0.1: 0.5 -+ t * 0.1 / sqrt(3)."""
    found = of_shares([0.4, 0.5, 0.6], 100_000)
    half = T_2 * 0.1 / math.sqrt(3)
    assert found.low == pytest.approx(0.5 - half, abs=SLACK)
    assert found.high == pytest.approx(0.5 + half, abs=SLACK)


def test_trials_that_agree_are_no_surer_than_their_test_pictures():
    assert of_shares([0.25, 0.25, 0.25], 400).low == wilson_interval(100, 400)[0]


def test_a_share_stays_between_0_and_1():
    found = of_shares([0.0, 0.1], 100)
    assert found.low == 0.0
    assert of_shares([1.0, 0.9], 100).high == 1.0


def test_a_difference_is_newcombes():
    """His example (1998, table II, a): 56/70 - 48/80, method 10: 0.0524 to 0.3339."""
    found = of_difference([56 / 70], [48 / 80], 70, 80)
    assert found.mean == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_differences_are_taken_trial_by_trial():
    """Both rise and fall together: the difference is 0.1 in each trial, with no spread."""
    found = of_difference([0.9, 0.5, 0.7], [0.8, 0.4, 0.6], 10**6, 10**6)
    assert found.mean == pytest.approx(0.1)
    assert found.high - found.low < 0.01


def test_the_error_of_an_auroc_is_hanleys_and_mcneils():
    """Their example (1982): area 0.893, 51 and 58 images: standard error 0.032 (by hand 0.03251)."""
    found = of_auroc_difference([0.893], [0.893], 51, 58)
    assert found.high == pytest.approx(1.959964 * math.sqrt(2) * 0.03251, abs=1e-4)
    assert found.low == pytest.approx(-found.high)


@pytest.mark.parametrize("shares", [[], ()])
def test_no_trial_is_no_estimate(shares):
    with pytest.raises(ValueError, match="at least one trial"):
        of_shares(shares, 10)
