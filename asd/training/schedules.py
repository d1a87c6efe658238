"""Learning rates as functions of the step. Nothing here needs torch."""

from __future__ import annotations

import math


def one_cycle(peak: float, step: int, total: int) -> float:
    """The rate at 0-based `step` of `total`: 30% up to `peak`, then down, both by cosine.

    Starts at a 25th of the peak and ends near 0, as torch's schedule of that name.
    """
    first, last, top = peak / 25, peak / 25e4, 0.3 * total - 1
    low, high, share = (
        (first, peak, step / top) if step <= top else (last, peak, 1 - (step - top) / (total - 1 - top))
    )
    return low + (high - low) * (1 - math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
