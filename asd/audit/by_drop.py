"""How each drop and each source fared: pictures in the clean pool, and suspects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from asd.metrics import Rate
from asd.source_groups import by_drop
from asd.types import Mask


def drop_shares(sources: Sequence[str], in_clean: Mask, suspect: Mask | None) -> dict[str, Any] | None:
    """`per_drop` and `per_source`, the drops by number; None where no sample comes from a drop.

    Args:
        sources: of the N samples.
        in_clean: shape (N,), the clean pool at the end.
        suspect: shape (N,); None where the run judges nothing.
    """
    drops = by_drop(sources)
    if not drops:
        return None
    vendors: dict[str, list[int]] = {}
    for (vendor, _), rows in drops.items():
        vendors.setdefault(vendor, []).extend(rows)
    return {
        "per_drop": [
            {"drop": number, "source": vendor, **_shares(rows, in_clean, suspect)}
            for (vendor, number), rows in sorted(drops.items(), key=lambda item: item[0][1])
        ],
        "per_source": [
            {"source": vendor, **_shares(rows, in_clean, suspect)} for vendor, rows in sorted(vendors.items())
        ],
    }


def _shares(rows: Sequence[int], in_clean: Mask, suspect: Mask | None) -> dict[str, Any]:
    here = np.array(rows, np.int64)
    pool = Rate(int(in_clean[here].sum()), len(here))
    return {
        "samples": pool.n,
        "in_pool": pool.hits,
        "clean_share": pool.value,
        "suspects": None if suspect is None else int(suspect[here].sum()),
    }
