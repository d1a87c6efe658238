"""Which samples to show as pictures. Suspicion is ranked before any truth is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd import metrics
from asd.audit.pictures import picture_uri
from asd.audit.record import RunRecord, TruthMasks
from asd.audit.samples import membership
from asd.truth import NOT_KNOWN
from asd.types import Images, Labels

SHOWN = 24
"""Most suspicious samples in the page."""

SHOWN_IN_POOL = 12
"""Poisoned samples in the final pool in the page."""


@dataclass(frozen=True)
class Card:
    """One sample as the page shows it; the truth fields are None where nothing is known.

    Attributes:
        picture: PNG data URI.
        key: sample key.
        class_name: of the label as given.
        source: where it came from.
        loss: final loss.
        loss_rank: 1 is the highest final loss of all N.
        reduction: loss reduction of the last meta-split epoch, if there was one.
        epochs_in: epochs in the clean pool, if on record.
        is_poisoned: whether we poisoned it.
        class_before: its class before we changed it, if we did.
    """

    picture: str
    key: str
    class_name: str
    source: str
    loss: float
    loss_rank: int
    reduction: float | None
    epochs_in: int | None
    is_poisoned: bool | None
    class_before: str | None


def most_suspicious(record: RunRecord, count: int = SHOWN) -> Labels:
    """Rows of the samples kept out of the final pool, the most suspicious first.

    Ordered by loss reduction where there was a meta-split (what is learned at once is
    suspicious), else by final loss; equal ones by loss, then in view order. Seeds are left out.
    """
    rows = np.flatnonzero(~record.final.in_clean & ~record.seeds)
    loss = record.final.loss[rows]
    fell = record.last_reduction()
    order = np.lexsort((-loss,)) if fell is None else np.lexsort((-loss, -fell[rows]))
    return rows[order[:count]]


def poisoned_in_pool(record: RunRecord, count: int = SHOWN_IN_POOL) -> Labels:
    """Rows of poisoned samples in the final pool, lowest final loss first; needs the truth."""
    if record.truth is None:
        return np.zeros(0, dtype=np.int64)
    rows = np.flatnonzero(record.final.in_clean & record.truth.poisoned)
    return rows[np.argsort(record.final.loss[rows], kind="stable")[:count]]


def cards(record: RunRecord, images: Images, rows: Labels) -> list[Card]:
    """What the page says of these samples."""
    places = len(record) - metrics.ranks(record.final.loss)
    fell, found = record.last_reduction(), membership(record)
    return [
        Card(
            picture=picture_uri(np.asarray(images[row])),
            key=record.index.keys[row],
            class_name=record.class_names[int(record.index.labels[row])],
            source=record.index.sources[row],
            loss=float(record.final.loss[row]),
            loss_rank=int(places[row]),
            reduction=None if fell is None else float(fell[row]),
            epochs_in=None if found is None else int(found.epochs[row]),
            is_poisoned=_is_poisoned(record.truth, row),
            class_before=_class_before(record, row),
        )
        for row in rows.tolist()
    ]


def _is_poisoned(truth: TruthMasks | None, row: int) -> bool | None:
    if truth is None or (not truth.complete and not truth.poisoned[row]):
        return None
    return bool(truth.poisoned[row])


def _class_before(record: RunRecord, row: int) -> str | None:
    truth = record.truth
    if truth is None or not (truth.poisoned[row] or truth.decoys[row]):
        return None
    before = int(truth.label_before[row])
    return None if before == NOT_KNOWN else record.class_names[before]
