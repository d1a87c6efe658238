"""`samples.parquet`: one row a sample, what the run did with it and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asd import metrics
from asd.audit.decision import last_decisions, reasons
from asd.audit.opinions import OPINIONS, Opinions
from asd.audit.record import RunRecord, TruthMasks
from asd.audit.verdict import Judgement
from asd.truth import DECOY, NOT_KNOWN, POISONED
from asd.types import Mask

if TYPE_CHECKING:
    from asd.audit.features import Neighbours

NEIGHBOURS_KEPT = 5

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


def sample_table(
    record: RunRecord,
    judged: Judgement,
    probabilities: NDArray[np.float32] | None = None,
    opinions: Opinions | None = None,
) -> pa.Table:
    """One row a sample in view order; the columns are described in docs/audit.md.

    Args:
        record: what the run recorded.
        judged: its judgement.
        probabilities: of the final model, float32 (N, K).
        opinions: second opinions.
    """
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
        **_decision_columns(record, judged),
        **_model_columns(record, probabilities),
        **_opinion_columns(opinions, n),
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


def _decision_columns(record: RunRecord, judged: Judgement) -> dict[str, pa.Array]:
    n, decisions = len(record), last_decisions(record)
    words = pa.array(reasons(record, judged, decisions), pa.string())
    if decisions is None:
        kinds = {"decided_by": pa.string(), "decided_epoch": pa.int32(), "decided_rank": pa.int64()}
        kinds |= {"decided_of": pa.int64(), "decided_score": pa.float32(), "decided_cut": pa.float32()}
        return {name: pa.nulls(n, kind) for name, kind in kinds.items()} | {"reason": words}
    cut = None if np.isnan(decisions.cut) else decisions.cut
    return {
        "decided_by": pa.array(np.where(record.seeds, "seed", decisions.rule), pa.string()),
        "decided_epoch": pa.array(np.full(n, decisions.epoch), pa.int32()),
        "decided_rank": pa.array(decisions.rank, pa.int64()),
        "decided_of": pa.array(decisions.ranked, pa.int64()),
        "decided_score": pa.array(decisions.score, pa.float32()),
        "decided_cut": pa.array([cut] * n, pa.float32()),
        "reason": words,
    }


def _model_columns(record: RunRecord, probabilities: NDArray[np.float32] | None) -> dict[str, pa.Array]:
    """What the final model would call each sample, and its probability."""
    n = len(record)
    if probabilities is None:
        return {
            "predicted_class": pa.nulls(n, pa.string()),
            "predicted_confidence": pa.nulls(n, pa.float32()),
        }
    names = [record.class_names[label] for label in probabilities.argmax(1).tolist()]
    return {
        "predicted_class": pa.array(names, pa.string()),
        "predicted_confidence": pa.array(probabilities.max(1), pa.float32()),
    }


def _opinion_columns(opinions: Opinions | None, n: int) -> dict[str, pa.Array]:
    if opinions is None:
        return {name: pa.nulls(n, pa.float32()) for name in OPINIONS}
    values = {name: getattr(opinions, name) for name in OPINIONS}
    return {name: pa.array(value, pa.float32(), mask=np.isnan(value)) for name, value in values.items()}


def neighbour_table(by_features: Neighbours, in_pool: Neighbours) -> pa.Table:
    """`neighbours.parquet`: nearest samples by features, and the nearest picture of the clean pool.

    Args:
        by_features: rows and distances, shape (N, k); the first `NEIGHBOURS_KEPT` are kept.
        in_pool: the same, shape (N, 1).
    """
    rows, distances = by_features.rows[:, :NEIGHBOURS_KEPT], by_features.distances[:, :NEIGHBOURS_KEPT]
    there = rows >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(1))]).astype(np.int32)
    nearest, nearest_distance = in_pool.rows[:, 0], in_pool.distances[:, 0]
    return pa.table(
        {
            "neighbours": pa.ListArray.from_arrays(offsets, pa.array(rows[there], pa.int32())),
            "neighbour_distances": pa.ListArray.from_arrays(
                offsets, pa.array(distances[there], pa.float32())
            ),
            "nearest_clean": pa.array(nearest, pa.int32(), mask=nearest < 0),
            "nearest_clean_distance": pa.array(nearest_distance, pa.float32(), mask=nearest < 0),
        }
    )


def roles_and_labels(truth: TruthMasks) -> tuple[list[str], list[int | None]]:
    """Role of each sample, and its label before anything was changed; None where that is not known."""
    columns = _truth_columns(truth)
    return columns["truth_role"].to_pylist(), columns["truth_label_before"].to_pylist()


def _truth_columns(truth: TruthMasks) -> dict[str, pa.Array]:
    roles = np.full(len(truth.poisoned), CLEAN if truth.complete else UNKNOWN, dtype=object)
    roles[truth.poisoned] = POISONED
    roles[truth.decoys] = DECOY
    unknown = (roles == UNKNOWN) | (truth.label_before == NOT_KNOWN)
    return {
        "truth_role": pa.array(roles, pa.string()),
        "truth_label_before": pa.array(truth.label_before.astype(np.int32), mask=unknown),
    }


def _or_nulls(values: NDArray[np.float32] | None, n: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(n, kind) if values is None else pa.array(values, kind)
