"""The meta-split (paper section 4.2): rank by what one virtual round of training changes. Pure.

A poisoned sample is learned at once, so its loss falls far; a clean hard sample falls little.
The clean pool takes those whose loss fell least.
"""

from __future__ import annotations

import numpy as np

from asd.pools.loss_guided import split_class_agnostic
from asd.types import Labels, Losses, Mask, PoolMembership


def loss_reduction(losses: Losses, virtual_losses: Losses) -> Losses:
    """L1(f) - L1(f'), shape (N,); large means learned at once, which is suspicious.

    Source: section 4.2.
    """
    if losses.shape != virtual_losses.shape:
        raise ValueError(f"shapes differ: {losses.shape} losses, {virtual_losses.shape} virtual losses")
    return (losses - virtual_losses).astype(np.float32)


def split_meta(
    losses: Losses,
    virtual_losses: Losses,
    labels: Labels,
    *,
    fraction: float,
    class_floor: int = 0,
    forced: Mask | None = None,
) -> PoolMembership:
    """Keep the floor(fraction * N) samples whose loss fell least; `cut` is the largest fall let in.

    Args:
        losses: L1 of the model f, shape (N,).
        virtual_losses: L1 of the virtual model f', shape (N,).
        labels: as given, shape (N,); read only for the floor.
        fraction: gamma, in (0, 1).
        class_floor: as in `split_class_agnostic`.
        forced: as in `split_class_agnostic`.

    Raises:
        ValueError: as in `split_class_agnostic`.
    """
    return split_class_agnostic(
        loss_reduction(losses, virtual_losses),
        labels,
        fraction=fraction,
        class_floor=class_floor,
        forced=forced,
        rule="meta-split",
    )
