"""`samples.parquet`: one row a sample, what the run did with it and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asd import metrics
from asd.audit.record import RunRecord, TruthMasks
from asd.audit.verdict import Judgement
from asd.truth import DECOY, POISONED
from asd.types import Mask

CLEAN = "clean"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Membership:
    """When each sample was in the clean pool; arrays of shape (N,), int32.

    Attributes:
        first: first epoch in the pool, -1 if never.
        epochs: number of epochs in the pool.
        entries: times it came in; being in from the first epoch on counts as one.
        exits: times it went out, so entries - exits is 1 for the samples in at the end.
    """

    first: NDArray[np.int32]
    epochs: NDArray[np.int32]
    entries: NDArray[np.int32]
    exits: NDArray[np.int32]


def membership(record: RunRecord) -> Membership | None:
    """Count pool membership over the recorded epochs of all stages; None if none is on record."""
    if not record.epochs:
        return None
    n = len(record)
    first = np.full(n, -1, dtype=np.int32)
    epochs, entries, exits = (np.zeros(n, dtype=np.int32) for _ in range(3))
    before: Mask = np.zeros(n, dtype=np.bool_)
    for recorded in record.epochs:
        now = recorded.row.in_clean
        first[now & (first < 0)] = recorded.row.epoch
        epochs += now
        entries += now & ~before
        exits += before & ~now
        before = now
    return Membership(first, epochs, entries, exits)


def sample_table(record: RunRecord, judged: Judgement) -> pa.Table:
    """One row a sample in view order; the columns are described in docs/audit.md."""
    index, n = record.index, len(record)
    loss = record.final.loss
    columns: dict[str, pa.Array] = {
        "key": pa.array(index.keys, pa.string()),
        "content_sha256": pa.array(index.content, pa.string()),
        "source": pa.array(index.sources, pa.string()),
        "label": pa.array(index.labels, pa.int32()),
        "class_name": pa.array([record.class_names[label] for label in index.labels.tolist()], pa.string()),
        "in_pool_at_end": pa.array(record.final.in_clean),
        **_membership_columns(membership(record), n),
        "final_loss": pa.array(loss, pa.float32()),
        "rank_in_class": pa.array(metrics.ranks_within(loss, index.labels)),
        "rank_overall": pa.array(metrics.ranks(loss)),
        "loss_reduction": _or_nulls(record.last_reduction(), n, pa.float32()),
        "is_seed": pa.array(record.seeds),
        "verdict": pa.nulls(n, pa.string()) if judged.verdicts is None else pa.array(judged.verdicts),
        "suspicion": _or_nulls(judged.suspicion, n, pa.float32()),
    }
    if record.truth is not None:
        columns |= _truth_columns(record.truth)
    return pa.table(columns)


def _membership_columns(found: Membership | None, n: int) -> dict[str, pa.Array]:
    if found is None:
        names = ("first_epoch_in", "epochs_in", "entries", "exits")
        return {name: pa.nulls(n, pa.int32()) for name in names}
    return {
        "first_epoch_in": pa.array(found.first, mask=found.first < 0),
        "epochs_in": pa.array(found.epochs),
        "entries": pa.array(found.entries),
        "exits": pa.array(found.exits),
    }


def _truth_columns(truth: TruthMasks) -> dict[str, pa.Array]:
    roles = np.full(len(truth.poisoned), CLEAN if truth.complete else UNKNOWN, dtype=object)
    roles[truth.poisoned] = POISONED
    roles[truth.decoys] = DECOY
    unknown = roles == UNKNOWN
    return {
        "truth_role": pa.array(roles, pa.string()),
        "truth_label_before": pa.array(truth.label_before.astype(np.int32), mask=unknown),
    }


def _or_nulls(values: NDArray[np.float32] | None, n: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(n, kind) if values is None else pa.array(values, kind)
