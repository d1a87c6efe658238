"""Binning, so that a chart of a million samples is as small as one of a thousand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd.types import Mask

BINS = 40


@dataclass(frozen=True)
class Histogram:
    """Counts of several groups over the same bins.

    Attributes:
        edges: B + 1 ascending edges; the last bin holds its right edge too.
        counts: group name -> B counts.
    """

    edges: tuple[float, ...]
    counts: dict[str, tuple[int, ...]]


def histogram(
    values: NDArray[np.floating[Any]], groups: Mapping[str, Mask], span: tuple[float, float] | None = None
) -> Histogram:
    """Count finite values per bin and group.

    Args:
        values: shape (N,).
        groups: name -> members, each of shape (N,).
        span: lowest and highest edge; by default those of the values.
    """
    low, high = span or span_of(values)
    edges = np.linspace(low, high, BINS + 1)
    counts = {
        name: tuple(np.histogram(np.clip(values[mask], low, high), edges)[0].tolist())
        for name, mask in groups.items()
    }
    return Histogram(tuple(edges.tolist()), counts)


def span_of(*arrays: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Lowest and highest value of several arrays, never of zero width."""
    low = min((float(a.min()) for a in arrays if len(a)), default=0.0)
    high = max((float(a.max()) for a in arrays if len(a)), default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
