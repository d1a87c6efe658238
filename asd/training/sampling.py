"""Endless shuffled index batches, so that a pool smaller than a batch works too (Q11, Q12)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def index_batches(
    members: NDArray[np.int64], count: int, size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """`count` batches of `size` indices drawn from `members`, shape (count, size).

    Goes through shuffled copies of `members`; a rest smaller than a batch is left out, as the
    public code does, unless the whole pool is smaller than a batch: then copies are joined.

    Raises:
        ValueError: there are no members.
    """
    if len(members) == 0:
        raise ValueError("cannot draw batches from an empty pool")
    usable = len(members) - len(members) % size if len(members) >= size else len(members)
    needed = count * size
    rounds = -(-needed // usable)
    drawn = np.concatenate([generator.permutation(members)[:usable] for _ in range(rounds)])
    return drawn[:needed].reshape(count, size)


def batch_starts(count: int, size: int) -> range:
    """Where the batches of one pass over `count` samples start; the last one may be smaller.

    A last batch of one sample is left out where there are others: batch norm cannot train on
    one sample whose feature map is a single pixel.
    """
    alone = count > 1 and count % size == 1
    return range(0, count - 1 if alone else count, size)
