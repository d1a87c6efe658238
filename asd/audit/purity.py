"""`pools.json`: how clean the pool was at the end of each stage, and how well the scores find poison."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from asd import metrics
from asd.audit.by_drop import drop_shares
from asd.audit.opinions import Opinions
from asd.audit.record import STAGES, MetaEpoch, RecordedEpoch, RunRecord, TruthMasks
from asd.audit.verdict import Judgement
from asd.types import Losses, Mask

HARD_PART = 10
"""Clean hard samples: floor(N / 10) clean samples with the highest loss (5,000 of 50,000 in Figure 5b)."""


def pool_figures(record: RunRecord, judged: Judgement, opinions: Opinions | None = None) -> dict[str, Any]:
    """All of `pools.json`; figures that need the truth are null where there is none."""
    return {
        "samples": len(record),
        "truth": _truth_kind(record.truth),
        "planted": record.truth.planted if record.truth else None,
        "stages": [_stage_end(record, stage) for stage in STAGES],
        "final": _final(record),
        "meta_split": _meta_split(record),
        "verdicts": judged.counts(),
        "drops": drop_shares(
            record.index.sources,
            record.final.in_clean,
            None if judged.verdicts is None else judged.verdicts == "suspect",
        ),
        "estimated_poisoned_share": judged.share.as_json() if judged.share else None,
        "suspects": _suspects(record, judged),
        "not_judged": [record.class_names[label] for label in judged.not_judged()],
        "opinions": _opinions(record, opinions),
        "epochs": [_epoch(record, e) for e in record.epochs],
        "warnings": [
            {"stage": e.stage, "epoch": e.row.epoch, "text": text}
            for e in record.epochs
            for text in e.row.warnings
        ]
        + [{"stage": None, "epoch": record.final.epoch, "text": text} for text in record.final.warnings],
    }


def _truth_kind(truth: TruthMasks | None) -> str | None:
    if truth is None:
        return None
    return "complete" if truth.complete else "planted only"


def _purity(record: RunRecord, in_clean: Mask) -> dict[str, Any]:
    if record.truth is None:
        return {"size": int(in_clean.sum()), "poisoned": None, "precision": None, "recall": None}
    found = metrics.purity(in_clean, record.truth.poisoned)
    return {
        "size": found.size,
        "poisoned": found.poisoned,
        "precision": found.precision,
        "recall": found.recall,
    }


def _per_class(record: RunRecord, in_clean: Mask) -> dict[str, int]:
    sizes = np.bincount(record.index.labels[in_clean], minlength=len(record.class_names))
    return dict(zip(record.class_names, sizes.tolist(), strict=True))


def _detection(record: RunRecord, scores: Losses | None) -> float | None:
    if record.truth is None or scores is None:
        return None
    return metrics.auroc(scores, record.truth.poisoned)


def _suspects(record: RunRecord, judged: Judgement) -> dict[str, Any] | None:
    """How many suspects by class as given, and how well `suspicion` finds what we planted."""
    if judged.verdicts is None or judged.suspicion is None:
        return None
    suspect = judged.verdicts == "suspect"
    known = record.truth is not None and record.truth.planted > 0
    poisoned = record.truth.poisoned if record.truth else np.zeros(len(record), dtype=np.bool_)
    hits = int((suspect & poisoned).sum())
    return {
        "per_class": _per_class(record, suspect),
        "auroc": _detection(record, judged.suspicion),
        "poisoned": hits if known else None,
        "precision": metrics.Rate(hits, int(suspect.sum())).value if known else None,
        "recall": metrics.Rate(hits, int(poisoned.sum())).value if known else None,
    }


def _opinions(record: RunRecord, opinions: Opinions | None) -> dict[str, float | None] | None:
    """AUROC of each second opinion; a sample on which it says nothing counts as the least suspicious."""
    if opinions is None:
        return None
    least = float(np.finfo(np.float32).min)
    return {
        name: None if np.isnan(values).all() else _detection(record, np.nan_to_num(values, nan=least))
        for name, values in opinions.suspicious_when_high().items()
    }


def _stage_end(record: RunRecord, stage: int) -> dict[str, Any]:
    last = record.last_of(stage)
    if last is None:
        names = ("epoch", "rule", "cut", "notes", "size", "poisoned", "precision", "recall", "auroc_loss")
        return {"stage": stage, "auroc_reduction": None, "per_class": None, **dict.fromkeys(names)}
    meta = [m for m in record.meta_epochs() if m.stage == stage]
    fell = meta[-1].reduction if meta else None
    return {
        "stage": stage,
        **_epoch(record, last),
        "auroc_loss": _detection(record, last.row.loss),
        "auroc_reduction": _detection(record, fell),
        "per_class": _per_class(record, last.row.in_clean),
    }


def _epoch(record: RunRecord, recorded: RecordedEpoch) -> dict[str, Any]:
    row = recorded.row
    return {
        "stage": recorded.stage,
        "epoch": row.epoch,
        "rule": row.rule,
        "cut": None if math.isnan(row.cut) else float(row.cut),
        "notes": row.notes,
        **_purity(record, row.in_clean),
    }


def _final(record: RunRecord) -> dict[str, Any]:
    return {
        "epoch": record.final.epoch,
        **_purity(record, record.final.in_clean),
        "auroc_loss": _detection(record, record.final.loss),
        "auroc_reduction": _detection(record, record.last_reduction()),
        "per_class": _per_class(record, record.final.in_clean),
    }


def _meta_split(record: RunRecord) -> dict[str, Any] | None:
    meta = record.meta_epochs()
    if not meta or record.truth is None or not record.truth.planted:
        return None
    poisoned = record.truth.poisoned
    return {"first": _against_hard(meta[0], poisoned), "last": _against_hard(meta[-1], poisoned)}


def _against_hard(meta: MetaEpoch, poisoned: Mask) -> dict[str, Any]:
    """Poison against clean hard samples, before and after the virtual step (prototype of Figure 5b).

    `kept` samples are ranked once by loss reduction and once by loss; a class floor or forced
    seeds, which the run may have used, play no part here.
    """
    loss, fell = meta.loss, meta.reduction
    hard = metrics.hard_clean(loss, ~poisoned, len(loss) // HARD_PART)
    pair = poisoned | hard

    def survivors(scores: Losses) -> dict[str, int]:
        chosen = metrics.lowest(scores, meta.kept)
        return {"hard": int((chosen & hard).sum()), "poisoned": int((chosen & poisoned).sum())}

    return {
        "epoch": meta.epoch,
        "hard": int(hard.sum()),
        "poisoned": int(poisoned.sum()),
        "auroc_loss": metrics.auroc(loss[pair], poisoned[pair]),
        "auroc_reduction": metrics.auroc(fell[pair], poisoned[pair]),
        "kept": meta.kept,
        "by_reduction": survivors(fell),
        "by_loss": survivors(loss),
    }
