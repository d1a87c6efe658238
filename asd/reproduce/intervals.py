"""Means of shares and their differences with 95% intervals, over test pictures and over trials.

With one trial an interval is that of the test pictures alone. With several it is the wider of
that one and Student's over the trials: trials that happen to agree shall not look surer than
their test pictures allow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from asd.metrics import Z_95, wilson_interval


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95% interval.

    Attributes:
        mean, low, high: shares, or differences of shares (-1 to 1).
        trials: how many values went into the mean.
    """

    mean: float
    low: float
    high: float
    trials: int

    def as_json(self) -> dict[str, float | int]:
        """Rounded to six digits."""
        return {
            "mean": round(self.mean, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "trials": self.trials,
        }


def of_shares(shares: Sequence[float], n: int) -> Estimate:
    """The mean of one share per trial, each over `n` test pictures (the same in every trial).

    Raises:
        ValueError: no share, or n < 1.
    """
    mean = _mean(shares)
    low, high = wilson_interval(round(mean * n), n)
    spread = _student(shares)
    return Estimate(mean, max(min(low, mean - spread), 0.0), min(max(high, mean + spread), 1.0), len(shares))


def of_difference(first: Sequence[float], second: Sequence[float], n_first: int, n_second: int) -> Estimate:
    """The mean of `first` - `second`, trial by trial; both of one length.

    For the test pictures: Newcombe's hybrid score interval (1998, method 10), which takes them for
    independent and so is too wide where they are the same ones.

    Raises:
        ValueError: no trial, unequal lengths, or no pictures.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean = _mean(differences)
    a, b = fmean(first), fmean(second)
    low_a, high_a = wilson_interval(round(a * n_first), n_first)
    low_b, high_b = wilson_interval(round(b * n_second), n_second)
    below = math.hypot(max(a - low_a, 0.0), max(high_b - b, 0.0))
    above = math.hypot(max(high_a - a, 0.0), max(b - low_b, 0.0))
    spread = _student(differences)
    return Estimate(
        mean, max(mean - max(below, spread), -1.0), min(mean + max(above, spread), 1.0), len(first)
    )


def of_auroc_difference(
    first: Sequence[float], second: Sequence[float], positives: int, negatives: int
) -> Estimate:
    """The mean of `first` - `second`, AUROCs of two scores of the same samples.

    For the samples: the standard errors of Hanley and McNeil (1982), taken for independent.

    Raises:
        ValueError: no trial, unequal lengths, or no samples.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean = _mean(differences)
    error = math.hypot(
        _auroc_error(fmean(first), positives, negatives), _auroc_error(fmean(second), positives, negatives)
    )
    half = max(Z_95 * error, _student(differences))
    return Estimate(mean, max(mean - half, -1.0), min(mean + half, 1.0), len(first))


def _auroc_error(area: float, positives: int, negatives: int) -> float:
    if positives < 1 or negatives < 1:
        raise ValueError(f"wanted samples of both kinds, got {positives} and {negatives}")
    one, two = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (one - area**2) + (negatives - 1) * (two - area**2)
    return math.sqrt(max(variance, 0.0) / (positives * negatives))


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise ValueError("wanted at least one trial")
    return fmean(values)


def _student(values: Sequence[float]) -> float:
    """Half of Student's interval of the mean; 0 for one value, which tells nothing of trials."""
    if len(values) < 2:
        return 0.0
    from scipy import stats  # type: ignore[import-untyped]  # here: slow to import

    return float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
