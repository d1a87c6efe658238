"""Rates, their intervals, and how well a score finds poison. Arrays in, numbers out.

A rate over no samples is None, never 0 and never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd.types import Labels, Mask

Z_95 = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""

Scores = NDArray[np.floating[Any]]

UNTRUSTED = "acc_untrusted"
"""What accuracy is called where nobody vouches for the test labels."""

WHY_UNTRUSTED = (
    "nobody vouches for the labels of the test set, so a wrong label counts as a mistake of the model"
)
"""Why a figure is called `acc_untrusted`."""


@dataclass(frozen=True)
class Rate:
    """`hits` of `n` samples; a true sample mean, never a mean of batch means."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """hits / n, 0 to 1; None if n is 0."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% Wilson interval, inside 0 to 1; None if n is 0."""
        return wilson_interval(self.hits, self.n) if self.n else None


def wilson_interval(hits: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval for a share of `hits` in `n` independent samples.

    Raises:
        ValueError: n < 1, or hits outside 0..n.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"wanted 0 <= hits <= n and n >= 1, got hits {hits}, n {n}")
    share = hits / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # The ends are exactly 0 and 1 at 0/n and n/n; in floating point they miss by an ulp.
    low = 0.0 if hits == 0 else (middle - half) / scale
    high = 1.0 if hits == n else (middle + half) / scale
    return low, high


def agreement(predicted: Labels, wanted: Labels) -> Rate:
    """How many of N predictions are the wanted class; both of shape (N,).

    With true labels: accuracy. With an attack's labels on triggered images that count: attack
    success. With an attack's labels on the same images without the trigger: the base rate.

    Raises:
        ValueError: the shapes differ.
    """
    if predicted.shape != wanted.shape:
        raise ValueError(f"{predicted.shape} predictions for {wanted.shape} labels")
    return Rate(int((predicted == wanted).sum()), len(wanted))


def per_class_accuracy(predicted: Labels, labels: Labels, class_names: Sequence[str]) -> list[float | None]:
    """Accuracy over the samples of each class, K values; None for a class without samples."""
    right = np.bincount(labels[predicted == labels], minlength=len(class_names))
    total = np.bincount(labels, minlength=len(class_names))
    return [Rate(int(r), int(n)).value for r, n in zip(right, total, strict=True)]


def auroc(scores: Scores, positive: Mask) -> float | None:
    """Chance that a positive outscores a negative, ties counting half.

    Args:
        scores: shape (N,), finite; high should mean positive.
        positive: shape (N,).

    Returns:
        0 to 1, 0.5 is no use; None if there is no positive or no negative.
    """
    if scores.shape != positive.shape:
        raise ValueError(f"{scores.shape} scores for {positive.shape} flags")
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite, {int((~np.isfinite(scores)).sum())} are not")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_ranks = ends - (counts - 1) / 2  # 1-based; equal scores share the mean of their ranks
    rank_sum = float(mean_ranks[place][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


@dataclass(frozen=True)
class Purity:
    """How clean a pool is.

    Attributes:
        size: samples in the pool.
        poisoned: poisoned samples in the pool.
        precision: share of the pool that is not poisoned; None for an empty pool.
        recall: share of the not poisoned samples that are in the pool; None if there are none.
    """

    size: int
    poisoned: int
    precision: float | None
    recall: float | None


def purity(in_clean: Mask, poisoned: Mask) -> Purity:
    """Precision and recall of a clean pool; both masks of shape (N,)."""
    size = int(in_clean.sum())
    bad = int((in_clean & poisoned).sum())
    good_everywhere = len(poisoned) - int(poisoned.sum())
    return Purity(size, bad, Rate(size - bad, size).value, Rate(size - bad, good_everywhere).value)


def lowest(scores: Scores, count: int) -> Mask:
    """Mask of the `count` lowest scores; ties go to the earlier sample."""
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[np.argsort(scores, kind="stable")[:count]] = True
    return chosen


def hard_clean(losses: Scores, clean: Mask, count: int) -> Mask:
    """Mask of the `count` clean samples with the highest loss; ties go to the earlier sample.

    The "clean hard samples" of the paper's Figure 5b, ranked among clean samples only.
    """
    chosen = np.zeros(len(losses), dtype=np.bool_)
    candidates = np.flatnonzero(clean)
    order = np.argsort(-losses[candidates], kind="stable")
    chosen[candidates[order[:count]]] = True
    return chosen


def ranks(scores: Scores) -> NDArray[np.int64]:
    """Place of each score from the lowest, 0 to N-1; ties go to the earlier sample."""
    places = np.empty(len(scores), dtype=np.int64)
    places[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return places


def ranks_within(scores: Scores, groups: Labels) -> NDArray[np.int64]:
    """`ranks` among the samples of the same group, such as the label given."""
    order = np.lexsort((scores, groups))  # stable, last key first
    counts = np.bincount(groups) if len(groups) else np.zeros(0, dtype=np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    places = np.empty(len(scores), dtype=np.int64)
    places[order] = np.arange(len(scores)) - starts
    return places
