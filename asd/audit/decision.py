"""Which rule decided on each sample last, at which rank and cut, and that in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd import metrics
from asd.audit.record import RunRecord
from asd.audit.verdict import Judgement
from asd.pools import loss_reduction
from asd.pools.history import EpochRow
from asd.types import Losses, Mask

_NAMES = {
    "class-aware": "class-aware split",
    "class-agnostic": "class-agnostic split",
    "meta-split": "meta-split",
}


@dataclass(frozen=True)
class Decisions:
    """The last split of a run as it ranked the N samples.

    Attributes:
        rule: `class-aware`, `class-agnostic` or `meta-split`.
        epoch: of the split.
        splits: splits by this rule in all.
        times_in: of these, in how many each sample was in the clean pool, (N,).
        kept: in the pool after the split, (N,).
        score: what was ranked, float32 (N,): the loss, in a meta-split its fall.
        rank: 1 is let in first, (N,); within the class for `class-aware`.
        ranked: how many samples the rank is among, (N,).
        cut: highest score let in, nan if the run noted none.
    """

    rule: str
    epoch: int
    splits: int
    times_in: NDArray[np.int64]
    kept: Mask
    score: Losses
    rank: NDArray[np.int64]
    ranked: NDArray[np.int64]
    cut: float


def last_decisions(record: RunRecord) -> Decisions | None:
    """The last split; None if the run made none."""
    splits = record.last_splits()
    if not splits:
        return None
    row = splits[-1]
    score = _score(row)
    labels, n = record.index.labels, len(record)
    if row.rule == "class-aware":
        rank = metrics.ranks_within(score, labels) + 1
        ranked = np.bincount(labels, minlength=len(record.class_names))[labels]
    else:
        rank, ranked = metrics.ranks(score) + 1, np.full(n, n, dtype=np.int64)
    return Decisions(
        rule=row.rule,
        epoch=row.epoch,
        splits=len(splits),
        times_in=np.sum([split.in_clean for split in splits], axis=0),
        kept=row.in_clean,
        score=score,
        rank=rank,
        ranked=ranked,
        cut=row.cut,
    )


def _score(row: EpochRow) -> Losses:
    if row.rule == "meta-split" and row.virtual_loss is not None:
        return loss_reduction(row.loss, row.virtual_loss)
    return row.loss


def reasons(record: RunRecord, judged: Judgement, decisions: Decisions | None) -> list[str | None]:
    """One sentence or two a sample: what the run decided and why; None where nothing was decided."""
    if judged.verdicts is None or decisions is None:
        return [None] * len(record)
    where = _split_words(decisions)
    found: list[str | None] = []
    for row, verdict in enumerate(judged.verdicts.tolist()):
        if verdict == "seed":
            found.append("Somebody vouches for it: its label is used in every epoch.")
            continue
        text = where[row]
        if verdict == "suspect":
            text = f"{_suspect_words(record, judged, row)} {text}"
        elif verdict == "undecided":
            times = f"in {decisions.times_in[row]} of {decisions.splits} such splits"
            text += f" Moved in and out: in the pool {times}."
        elif verdict == "hard-clean":
            text += " Its loss alone never let it in."
        found.append(text)
    return found


def _suspect_words(record: RunRecord, judged: Judgement, row: int) -> str:
    if judged.gain is None or judged.marks is None:
        return ""
    mark = judged.marks[int(record.index.labels[row])]
    return (
        "Its label was learned at once by the virtual model: the log-odds rose by "
        f"{judged.gain[row]:.1f} (mean of {len(record.meta_epochs())} meta-splits); "
        f"the mark of its class is {mark:.1f}."
    )


def _split_words(decisions: Decisions) -> list[str]:
    """What the last split did with each sample."""
    what = {"meta-split": "fall of its loss", "class-aware": "loss", "class-agnostic": "loss"}[decisions.rule]
    among = " of its class" if decisions.rule == "class-aware" else ""
    known = not np.isnan(decisions.cut)
    cut = f", the highest let in was {decisions.cut:.2f}" if known else ""
    words = []
    for kept, score, rank, ranked in zip(
        decisions.kept.tolist(),
        decisions.score.tolist(),
        decisions.rank.tolist(),
        decisions.ranked.tolist(),
        strict=True,
    ):
        did = "Let in" if kept else "Left out"
        words.append(
            f"{did} by the {_NAMES[decisions.rule]} of epoch {decisions.epoch}: {what} {score:.2f}, "
            f"rank {rank} of {ranked}{among}{cut}."
        )
    return words
