"""The signals of chosen seeds as a table, so that a reviewer sees why each was chosen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from asd.seed_params import SiftParams
from asd.seeds.sift.choosing import Sifted, Signals
from asd.seeds.sift.views import REGIONS, RENDERINGS


def signals_table(found: Signals, sifted: Sifted, params: SiftParams) -> pa.Table:
    """One row a seed, in the order of the ranked list."""
    at = sifted.at
    each = len(REGIONS)
    agrees = found.last[at] > 0
    columns = {
        "key": pa.array(sifted.seeds.keys, pa.string()),
        "label": pa.array(sifted.seeds.labels, pa.int64()),
        "rank": pa.array(sifted.seeds.ranks, pa.int64()),
        "passed": pa.array(found.passed(params)[at]),
        "views": pa.array(np.full(len(at), found.last.shape[1]), pa.int64()),
        "agreeing": pa.array(agrees.sum(1), pa.int64()),
        **{
            f"agreeing_{name}": pa.array(agrees[:, number * each : (number + 1) * each].sum(1), pa.int64())
            for number, name in enumerate(RENDERINGS)
        },
        "mean_margin": pa.array(found.last[at].mean(1), pa.float64()),
        "least_margin": pa.array(found.last[at].min(1), pa.float64()),
        "too_sure": pa.array(found.dropped[at]),
        "above_usual": pa.array(found.above[at], pa.float64()),
    }
    return pa.table(columns)
