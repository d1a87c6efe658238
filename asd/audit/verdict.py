"""What the whole run says of each sample, and how much poison there seems to be. Pure.

All of it comes from what the run recorded; no truth is read before it is fixed. Shapes: N
samples in view order.

The *gain* of a sample is how much the log-odds of its label rise at the virtual step (paper
section 4.2), as a mean over the meta-splits. The loss is bounded, so equal falls near its ends
are unequal news; log-odds undo that. Constants were set on two runs and hold for few
others; docs/audit.md says what they gave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asd import metrics
from asd.audit.record import MetaEpoch, RunRecord
from asd.types import Losses, Mask

Verdict = Literal["seed", "clean", "hard-clean", "unused", "suspect", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

SUSPECT_ABOVE = 0.5
"""A suspicion above this is a `suspect`."""

CUT, LOOSE_CUT, STRICT_CUT = 4.5, 4.0, 6.0
"""Gains: suspicion 0.5, and the two between which the share's interval is counted."""

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
    """

    verdicts: NDArray[np.str_] | None
    suspicion: Losses | None
    share: ShareEstimate | None

    def counts(self) -> dict[str, int] | None:
        """Samples by verdict, in the order of `VERDICTS`."""
        if self.verdicts is None:
            return None
        return {verdict: int((self.verdicts == verdict).sum()) for verdict in VERDICTS}


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
    gain = _gain(meta) if meta else None
    suspicion = None if gain is None else (1 / (1 + np.exp(CUT - gain))).astype(np.float32)
    share = None if gain is None else estimate_share(gain, record.seeds)
    return Judgement(_verdicts(record, suspicion), suspicion, share)


def log_odds(losses: Losses) -> NDArray[np.float64]:
    """Log-odds of the label from the symmetric cross-entropy, cut off at 5; same shape.

    Inverts SCE = 0.1 softplus(-x) + 9.21 sigmoid(-x), which falls as x rises.
    """
    sce = _CE_WEIGHT * np.logaddexp(0, -_LOG_ODDS) + _LOSS_OF_ZERO / (1 + np.exp(_LOG_ODDS))
    return np.interp(-losses, -sce, _LOG_ODDS)


def _gain(meta: list[MetaEpoch]) -> NDArray[np.float64]:
    gain: NDArray[np.float64] = np.mean([log_odds(m.virtual_loss) - log_odds(m.loss) for m in meta], axis=0)
    return gain


def estimate_share(gain: NDArray[np.float64], seeds: Mask) -> ShareEstimate:
    """Share of samples whose gain clean data does not explain; seeds count as clean.

    The gain of clean samples is taken as normal, with the median and the MAD of all. The value
    counts gains above `CUT`, less those expected of clean ones. The interval goes from the
    lower Wilson end of the count above `STRICT_CUT`, less the expected, to the upper Wilson end
    of the count above `LOOSE_CUT`, nothing taken off.

    Args:
        gain: shape (N,).
        seeds: shape (N,).
    """
    n = len(gain)
    middle = float(np.median(gain))
    spread = 1.4826 * float(np.median(np.abs(gain - middle)))

    def above(cut: float) -> int:
        return int(((gain > cut) & ~seeds).sum())

    def expected(cut: float) -> float:
        return math.erfc((cut - middle) / spread / math.sqrt(2)) / 2 if spread else float(middle > cut)

    value = max(0.0, above(CUT) / n - expected(CUT))
    low = metrics.wilson_interval(above(STRICT_CUT), n)[0] - expected(STRICT_CUT)
    high = metrics.wilson_interval(above(LOOSE_CUT), n)[1]
    return ShareEstimate(value, (min(max(0.0, low), value), high))


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
    splits = [e.row for e in record.epochs if e.row.rule not in ("kept", "final")]
    if not splits:
        return record.final.in_clean
    last = [row.in_clean for row in splits if row.rule == splits[-1].rule]
    in_most: Mask = 2 * np.sum(last, axis=0) >= len(last)
    return in_most
