"""Columns of the ledger's views, and the small ones of them made from JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asd import store
from asd.audit.runs import Run
from asd.drop_records import read_records
from asd.errors import DataError
from asd.layout import Layout

SAMPLES = {
    "key": "varchar",
    "content_sha256": "varchar",
    "source": "varchar",
    "label": "integer",
    "class_name": "varchar",
    "in_pool_at_end": "boolean",
    "first_epoch_in": "integer",
    "epochs_in": "integer",
    "entries": "integer",
    "exits": "integer",
    "final_loss": "float",
    "rank_in_class": "bigint",
    "rank_overall": "bigint",
    "loss_reduction": "float",
    "is_seed": "boolean",
    "verdict": "varchar",
    "suspicion": "float",
    "decided_by": "varchar",
    "decided_epoch": "integer",
    "decided_rank": "bigint",
    "decided_of": "bigint",
    "decided_score": "float",
    "decided_cut": "float",
    "reason": "varchar",
    "predicted_class": "varchar",
    "predicted_confidence": "float",
    "spectral_signature": "float",
    "activation_clustering": "float",
    "neighbour_disagreement": "float",
    "cleanlab_label_quality": "float",
    "truth_role": "varchar",
    "truth_label_before": "integer",
}
"""Columns of `samples`, null where a run's table lacks one (an earlier version of asd, no truth)."""

POOLS = {
    "run": "varchar",
    "epoch": "integer",
    "stage": "integer",
    "rule": "varchar",
    "cut": "double",
    "size": "bigint",
    "poisoned": "bigint",
    "precision": "double",
    "recall": "double",
    "auroc_loss": "double",
    "auroc_reduction": "double",
}

RUNS = {
    "run": "varchar",
    "dataset": "varchar",
    "attack": "varchar",
    "defense": "varchar",
    "trial": "integer",
    "revision": "varchar",
    "samples": "bigint",
    "acc": "double",
    "acc_untrusted": "double",
    "asr": "double",
    "asr_base": "double",
    "clean_pool": "bigint",
    "poison_in_pool": "bigint",
    "planted": "bigint",
    "estimated_poisoned_share": "double",
    "estimate_low": "double",
    "estimate_high": "double",
    "suspects": "bigint",
}

REVIEWS = {
    "at": "varchar",
    "by": "varchar",
    "as": "varchar",
    "dataset": "varchar",
    "key": "varchar",
    "content_sha256": "varchar",
    "label": "varchar",
    "run": "varchar",
    "note": "varchar",
}

DROPS = {
    "drop": "integer",
    "name": "varchar",
    "source": "varchar",
    "sha256": "varchar",
    "arrived": "varchar",
    "status": "varchar",
    "files": "bigint",
    "accepted": "bigint",
    "quarantined": "bigint",
    "readmitted": "bigint",
    "label_flips": "bigint",
}
"""Columns of `drops`, a row a data drop."""

LIGHT_COLUMNS = tuple(name for name in SAMPLES if not name.startswith(("decided_", "reason", "truth_label")))
"""What lists of samples show, filter and sort by."""


def pool_rows(run: Run) -> list[dict[str, Any]]:
    """Rows of `pools`: the epochs of pools.json."""
    if not run.pools.is_file():
        return []
    return [{"run": run.name} | epoch for epoch in store.read_json(run.pools)["epochs"]]


def run_row(run: Run, count: int) -> dict[str, Any]:
    """The row of `runs` of a run with `count` samples; null where a file is missing."""
    cell = run.cell
    pools = store.read_json(run.pools) if run.pools.is_file() else {}
    metrics = store.read_json(run.metrics) if run.metrics.is_file() else {}
    final, share = pools.get("final") or {}, pools.get("estimated_poisoned_share") or {}
    low, high = share.get("interval") or (None, None)
    return {
        "run": run.name,
        "dataset": cell.dataset,
        "attack": cell.attack,
        "defense": cell.defense,
        "trial": cell.trial,
        "revision": run.revision,
        "samples": count,
        **{name: metrics.get(name) for name in ("acc", "acc_untrusted", "asr", "asr_base")},
        "clean_pool": final.get("size"),
        "poison_in_pool": final.get("poisoned"),
        "planted": pools.get("planted"),
        "estimated_poisoned_share": share.get("value"),
        "estimate_low": low,
        "estimate_high": high,
        "suspects": (pools.get("verdicts") or {}).get("suspect"),
    }


def review_rows(log: Path) -> list[dict[str, Any]]:
    """Rows of `reviews`: the lines of the log."""
    if not log.is_file():
        return []
    try:
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line]
    except ValueError as error:
        raise DataError(f"{log} is damaged: {error}") from error


def drop_rows(layout: Layout) -> list[dict[str, Any]]:
    """Rows of `drops`: their records."""
    return [
        {name: record.number if name == "drop" else getattr(record, name) for name in DROPS}
        for record in read_records(layout)
    ]
