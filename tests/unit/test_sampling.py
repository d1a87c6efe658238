"""Endless shuffled batches."""

from __future__ import annotations

import numpy as np
import pytest

from asd.training.sampling import batch_starts, index_batches


def test_a_pool_larger_than_a_batch_is_gone_through_without_its_rest() -> None:
    batches = index_batches(np.arange(10), 4, 4, np.random.default_rng(0))
    assert batches.shape == (4, 4)
    for start in (0, 2):  # two batches a shuffled copy; its last two samples are left out
        assert len(set(batches[start : start + 2].ravel())) == 8


def test_a_pool_smaller_than_a_batch_is_joined_with_itself() -> None:
    batches = index_batches(np.array([7, 8, 9]), 2, 6, np.random.default_rng(0))
    assert [sorted(row) for row in batches.tolist()] == [[7, 7, 8, 8, 9, 9]] * 2


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="empty pool"):
        index_batches(np.arange(0), 1, 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("count", "size", "starts"),
    [(10, 4, [0, 4, 8]), (9, 4, [0, 4]), (8, 4, [0, 4]), (1, 4, [0]), (3, 1, [0, 1, 2])],
)
def test_a_last_batch_of_one_sample_is_left_out(count: int, size: int, starts: list[int]) -> None:
    assert list(batch_starts(count, size)) == starts
