"""The collapse guard's three signs."""

from __future__ import annotations

import numpy as np

from asd.pools.history import EpochRow
from asd.training import guard

LABELS = np.repeat(np.arange(4), 25)


def row(in_clean: np.ndarray) -> EpochRow:
    return EpochRow(0, "class-agnostic", 0.0, np.zeros(100, dtype=np.float32), in_clean)


def test_chance_on_the_seeds_is_a_warning_after_five_epochs() -> None:
    seeds = np.zeros(100, dtype=np.bool_)
    seeds[::10] = True
    wrong = np.full(100, 3)
    assert guard.seed_accuracy_warning(wrong, LABELS, seeds, 4, epoch=4) == []
    warning = guard.seed_accuracy_warning(wrong, LABELS, seeds, 4, epoch=5)
    assert "accuracy on the trusted seeds is 20%, chance is 25%" in warning[0]
    assert guard.seed_accuracy_warning(LABELS, LABELS, seeds, 4, epoch=5) == []


def test_a_class_starved_for_five_epochs_is_named() -> None:
    pool = np.ones(100, dtype=np.bool_)
    pool[25:49] = False  # class b keeps 1 of 25
    names = ["a", "b", "c", "d"]
    assert guard.starvation_warning([row(pool)] * 3, pool, LABELS, names, epoch=5) == []
    warning = guard.starvation_warning([row(pool)] * 4, pool, LABELS, names, epoch=5)
    assert "almost none of b;" in warning[0]


def test_one_good_epoch_among_five_is_no_starvation() -> None:
    pool = np.ones(100, dtype=np.bool_)
    pool[25:49] = False
    history = [row(pool), row(np.ones(100, dtype=np.bool_)), row(pool), row(pool)]
    assert guard.starvation_warning(history, pool, LABELS, ["a", "b", "c", "d"], epoch=5) == []


def test_removed_share_is_that_of_the_label_whose_distrusted_loss_fell_most() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    in_clean = np.array([True, False, True, False, False])
    losses = np.array([9, 4, 9, 8, 2], dtype=np.float32)
    virtual = np.array([0, 3, 0, 1, 1], dtype=np.float32)
    # Label 0 outside: 4 -> 3, a quarter; label 1 outside: 10 -> 2, four fifths.
    assert guard.removed_share(losses, virtual, labels, in_clean) == 0.8


def test_removed_share_never_falls_below_nothing() -> None:
    losses, virtual = np.ones(2, dtype=np.float32), np.full(2, 3, dtype=np.float32)
    assert (
        guard.removed_share(losses, virtual, np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.bool_)) == 0.0
    )
