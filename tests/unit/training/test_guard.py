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


def test_fitted_share_is_that_of_the_label_whose_distrusted_samples_are_fitted_most() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    in_clean = np.array([True, False, False, True, False, False])
    virtual = np.array([0, 0.2, 5, 0, 0.9, 0.1], dtype=np.float32)
    # Outside the pool: of label 0 one of two is below 1, of label 1 both.
    assert guard.fitted_share(virtual, labels, in_clean, 2) == 1.0
    assert guard.fitted_share(virtual + 1, labels, in_clean, 2) == 0.0
    assert guard.fitted_share(virtual, labels, in_clean | (labels == 1), 2) == 0.5


def test_labels_with_hardly_any_distrusted_samples_do_not_count() -> None:
    labels = np.repeat(np.arange(2), 100)
    in_clean = np.ones(200, dtype=np.bool_)
    in_clean[:50] = False
    in_clean[100:105] = False  # five of label 1, under a tenth of 100
    virtual = np.full(200, 5, dtype=np.float32)
    virtual[100:105] = 0
    assert guard.fitted_share(virtual, labels, in_clean, 2) == 0.0
