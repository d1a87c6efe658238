"""The three splits: sizes, rules, ties, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.defenses.asd import Stage1Params, grown_per_class
from asd.pools import loss_reduction, split_class_agnostic, split_class_aware, split_meta


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


LABELS = np.array([0, 0, 0, 1, 1, 1])
SEEDS = np.array([True, False, False, False, False, True])


def test_class_aware_keeps_seeds_and_adds_the_lowest_of_each_class() -> None:
    pool = split_class_aware(floats(9, 2, 1, 5, 6, 9), LABELS, SEEDS, per_class=1)
    assert pool.in_clean.tolist() == [True, False, True, True, False, True]
    assert pool.rule == "class-aware"
    assert pool.cut == 5


def test_class_aware_with_nothing_to_add_is_the_seeds() -> None:
    pool = split_class_aware(floats(1, 2, 3, 4, 5, 6), LABELS, SEEDS, per_class=0)
    assert pool.in_clean.tolist() == SEEDS.tolist()
    assert np.isnan(pool.cut)


def test_a_class_smaller_than_asked_for_gives_all_it_has() -> None:
    assert split_class_aware(floats(*range(6)), LABELS, SEEDS, per_class=99).in_clean.all()


def test_equal_losses_go_to_the_earlier_sample() -> None:
    pool = split_class_agnostic(np.zeros(6, dtype=np.float32), LABELS, fraction=0.5)
    assert pool.in_clean.tolist() == [True, True, True, False, False, False]


def test_class_agnostic_keeps_the_floor_of_the_fraction() -> None:
    assert split_class_agnostic(floats(*range(7)), np.zeros(7, dtype=np.int64), fraction=0.5).size == 3


def test_a_floor_lets_the_best_of_every_class_in_first() -> None:
    losses = floats(1, 2, 3, 10, 11, 12)
    assert split_class_agnostic(losses, LABELS, fraction=0.5).in_clean.tolist() == [True] * 3 + [False] * 3
    floored = split_class_agnostic(losses, LABELS, fraction=0.5, class_floor=1)
    assert floored.in_clean.tolist() == [True, True, False, True, False, False]


def test_floors_that_do_not_fit_say_so() -> None:
    with pytest.raises(ValueError, match=r"class_floor 2 .* needs 4 places, but 0.5 of 6 samples are 3"):
        split_class_agnostic(floats(*range(6)), LABELS, fraction=0.5, class_floor=2)


def test_a_loss_that_is_not_finite_is_named() -> None:
    with pytest.raises(ValueError, match="loss of sample 1 is nan"):
        split_class_agnostic(floats(0, np.nan), np.zeros(2, dtype=np.int64), fraction=0.5)


def test_lengths_that_differ_are_named() -> None:
    with pytest.raises(ValueError, match="2 losses, 6 labels"):
        split_class_aware(floats(1, 2), LABELS, SEEDS, per_class=1)


def test_meta_split_keeps_those_whose_loss_fell_least() -> None:
    loss, virtual = floats(9, 9, 1, 1), floats(0, 8, 1, 0.5)
    pool = split_meta(loss, virtual, np.zeros(4, dtype=np.int64), fraction=0.5)
    assert pool.in_clean.tolist() == [False, False, True, True]
    assert pool.rule == "meta-split"
    assert pool.cut == 0.5
    assert loss_reduction(loss, virtual).tolist() == [9, 1, 0, 0.5]


@given(
    st.lists(st.integers(0, 1000), min_size=4, max_size=30),
    st.integers(-50, 50),
    st.sampled_from([0.3, 0.5, 0.7]),
)
def test_a_constant_added_to_all_losses_changes_nothing(values: list[int], shift: int, share: float) -> None:
    labels = np.arange(len(values)) % 3
    base = np.array(values, dtype=np.float32)
    virtual = np.zeros_like(base)
    plain = split_meta(base, virtual, labels, fraction=share)
    moved = split_meta(base + np.float32(shift), virtual, labels, fraction=share)
    assert np.array_equal(plain.in_clean, moved.in_clean)
    assert plain.size == int(len(values) * share)


def test_growth_of_stage_1_is_the_papers_timeline() -> None:
    params = Stage1Params()
    sizes = [100 + 10 * grown_per_class(params, epoch) for epoch in range(params.end)]
    assert sizes[:5] == [100] * 5
    assert sizes[5] == 200
    assert sizes[-1] == 1200
    assert [grown_per_class(params, epoch) for epoch in range(60)] == [10 * (e // 5) for e in range(60)]


def test_class_agnostic_on_cifar_keeps_25000() -> None:
    losses = np.arange(50_000, dtype=np.float32)
    assert split_class_agnostic(losses, np.zeros(50_000, dtype=np.int64), fraction=0.5).size == 25_000
