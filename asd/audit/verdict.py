"""What the whole run says of each sample, and how much poison there seems to be. Pure.

All of it comes from what the run recorded; no truth is read before it is fixed. Shapes: N
samples in view order, K classes.

The *gain* of a sample is how much the log-odds of its label rise at the virtual step (paper
section 4.2), as a mean over the meta-splits. The loss is bounded, so equal falls near its ends
are unequal news; log-odds undo that. The *mark* of a class is the gain above which a sample of
it is a suspect: a class that the model learns late has high gains throughout, so the mark
follows the class. docs/audit.md says how the constants were set and what they gave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asd import metrics
from asd.audit.record import MetaEpoch, RunRecord
from asd.types import Labels, Losses, Mask

Verdict = Literal["seed", "clean", "hard-clean", "unused", "suspect", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

SUSPECT_ABOVE = 0.5
"""A suspicion above this is a `suspect`."""

LOWEST_MARK = 4.5
"""No class has a lower mark."""

SPREADS = 4.0
"""Marks lie at least so many spreads of the class's ordinary samples above their middle."""

LOOSER_BY = 0.5
"""The upper end of the share's interval counts gains above the mark less this."""

ORDINARY_TAIL = 0.2
"""So large a share of a class can be suspects without any poison: a subgroup that is learned late."""

UNSEEN = 0.015
"""No interval ends below this: 1% of 10,000 images went unseen, since no virtual model learned it."""

LEAST_ORDINARY = 0.2
"""A class with a smaller share of gains up to `LOWEST_MARK` is not judged: it has nothing to compare with."""

_FEWEST_OF_CLASS = 5  # a smaller class has the lowest mark

_FITTED = 5.0
"""Log-odds of a fitted label, p = 0.993: how far beyond it a label is fitted says nothing."""

_LOSS_OF_ZERO, _CE_WEIGHT = -math.log(1e-4), 0.1  # as in asd.training.losses, which needs torch
_LOG_ODDS = np.linspace(-30.0, _FITTED, 3501)


@dataclass(frozen=True)
class ShareEstimate:
    """Estimated poisoned share of the N samples, 0 to 1, with a 95% interval."""

    value: float
    interval: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        return {"value": round(self.value, 6), "interval": [round(end, 6) for end in self.interval]}


@dataclass(frozen=True)
class Judgement:
    """What a run says of its samples.

    Attributes:
        verdicts: one of `VERDICTS` each, shape (N,); None if no pool is on record.
        suspicion: 0 to 1, 1 is worst, float32 (N,); None without a meta-split.
        share: None without a meta-split.
        gain: mean rise of the log-odds, (N,); None without a meta-split.
        marks: mark of each class, (K,); infinite for a class that is not judged.
    """

    verdicts: NDArray[np.str_] | None
    suspicion: Losses | None
    share: ShareEstimate | None
    gain: NDArray[np.float64] | None = None
    marks: NDArray[np.float64] | None = None

    def counts(self) -> dict[str, int] | None:
        """Samples by verdict, in the order of `VERDICTS`."""
        if self.verdicts is None:
            return None
        return {verdict: int((self.verdicts == verdict).sum()) for verdict in VERDICTS}

    def not_judged(self) -> list[int]:
        """Classes whose samples have no suspicion worth the name."""
        return [] if self.marks is None else np.flatnonzero(np.isinf(self.marks)).tolist()


def judge(record: RunRecord) -> Judgement:
    """Judge every sample.

    Raises:
        ValueError: the record holds the truth already; verdicts are fixed before it is read.
    """
    if record.truth is not None:
        raise ValueError("verdicts are fixed before the truth is read, but the record holds it")
    if not record.epochs:
        return Judgement(None, None, None)
    meta = record.meta_epochs()
    if not meta:
        return Judgement(_verdicts(record, None), None, None)
    gain = mean_gain(meta)
    labels = record.index.labels
    marks = class_marks(gain, labels, len(record.class_names), record.seeds)
    with np.errstate(over="ignore"):
        suspicion = (1 / (1 + np.exp(marks[labels] - gain))).astype(np.float32)
    share = estimate_share(gain, marks, labels, record.seeds)
    return Judgement(_verdicts(record, suspicion), suspicion, share, gain, marks)


def log_odds(losses: Losses) -> NDArray[np.float64]:
    """Log-odds of the label from the symmetric cross-entropy, cut off at 5; same shape.

    Inverts SCE = 0.1 softplus(-x) + 9.21 sigmoid(-x), which falls as x rises.
    """
    sce = _CE_WEIGHT * np.logaddexp(0, -_LOG_ODDS) + _LOSS_OF_ZERO / (1 + np.exp(_LOG_ODDS))
    return np.interp(-losses, -sce, _LOG_ODDS)


def mean_gain(meta: list[MetaEpoch]) -> NDArray[np.float64]:
    """Mean rise of the log-odds over the meta-splits, shape (N,)."""
    gain: NDArray[np.float64] = np.mean([log_odds(m.virtual_loss) - log_odds(m.loss) for m in meta], axis=0)
    return gain


def class_marks(
    gain: NDArray[np.float64], labels: Labels, class_count: int, seeds: Mask
) -> NDArray[np.float64]:
    """The gain above which a sample of each class is a suspect, shape (K,).

    Of the gains up to `LOWEST_MARK` (poison lies above them), the middle of the shortest
    interval that holds half is where ordinary samples lie; their spread is the root mean square
    distance of those below it, since what lies above may be poison. A class with too few such
    gains gets an infinite mark: nothing tells a class of poison from one not learned at all.
    """
    marks = np.full(class_count, LOWEST_MARK)
    for label in range(class_count):
        own = gain[(labels == label) & ~seeds]
        ordinary = np.sort(own[own <= LOWEST_MARK])
        if len(own) < _FEWEST_OF_CLASS:
            continue
        if len(ordinary) < LEAST_ORDINARY * len(own):
            marks[label] = np.inf
            continue
        half = (len(ordinary) + 1) // 2
        first = int(np.argmin(ordinary[half - 1 :] - ordinary[: len(ordinary) - half + 1]))
        middle = (ordinary[first] + ordinary[first + half - 1]) / 2
        below = middle - ordinary[ordinary < middle]
        spread = math.sqrt(float(np.mean(below**2))) if len(below) else 0.0
        marks[label] = max(LOWEST_MARK, middle + SPREADS * spread)
    return marks


def estimate_share(
    gain: NDArray[np.float64], marks: NDArray[np.float64], labels: Labels, seeds: Mask
) -> ShareEstimate:
    """Share of samples whose gain ordinary samples of their class do not explain; seeds count as clean.

    The value counts the gains above the marks. The lower end counts, class by class, only what
    `ORDINARY_TAIL` of the class does not explain; the upper end is Wilson's for the count above
    marks that are lower by `LOOSER_BY`, at least `UNSEEN`.
    """
    n, of_class = len(gain), marks[labels]
    above = (gain > of_class) & ~seeds
    loose = (gain > of_class - LOOSER_BY) & ~seeds
    found = np.bincount(labels[above], minlength=len(marks))
    size = np.bincount(labels, minlength=len(marks))
    low = float(np.maximum(0.0, found - ORDINARY_TAIL * size).sum()) / n
    high = metrics.wilson_interval(int(loose.sum()), n)[1]
    return ShareEstimate(int(above.sum()) / n, (low, max(high, UNSEEN)))


def _verdicts(record: RunRecord, suspicion: Losses | None) -> NDArray[np.str_]:
    end, in_most = record.final.in_clean, _in_at_least_half(record)
    by_loss = np.any(
        [e.row.in_clean for e in record.epochs if e.row.rule.startswith("class-")]
        or [np.zeros(len(record), dtype=np.bool_)],
        axis=0,
    )
    suspect = np.zeros(len(record), dtype=np.bool_) if suspicion is None else suspicion > SUSPECT_ABOVE
    cases: list[tuple[Mask, Verdict]] = [
        (record.seeds, "seed"),
        (suspect, "suspect"),
        (end != in_most, "undecided"),
        (~end, "unused"),
        (~by_loss, "hard-clean"),
    ]
    return np.select([mask for mask, _ in cases], [verdict for _, verdict in cases], default="clean")


def _in_at_least_half(record: RunRecord) -> Mask:
    """Of the splits of the last rule that chose pools: in at least half of them, shape (N,)."""
    splits = record.last_splits()
    if not splits:
        return record.final.in_clean
    in_most: Mask = 2 * np.sum([row.in_clean for row in splits], axis=0) >= len(splits)
    return in_most
