import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd import metrics
from asd.metrics import Rate

LABELS = np.array([0, 0, 1, 1, 1, 0])


def test_a_rate_is_the_mean_over_all_samples():
    predicted = np.array([0, 1, 1, 1, 0, 0])
    assert metrics.agreement(predicted, LABELS) == Rate(4, 6)
    assert Rate(4, 6).value == pytest.approx(2 / 3)


def test_a_rate_over_no_samples_is_unknown_and_not_zero():
    assert Rate(0, 0).value is None
    assert Rate(0, 0).interval is None


def test_predictions_of_another_number_are_refused():
    with pytest.raises(ValueError, match="predictions for"):
        metrics.agreement(np.array([1]), LABELS)


# By hand, z = 1.959964: 0/n gives z^2/(n + z^2); 5/10 gives 0.5 -+ z/2/sqrt(n + z^2).
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 3.841459 / 13.841459),
        (10, 10, 10 / 13.841459, 1.0),
        (0, 1, 0.0, 3.841459 / 4.841459),
        (5, 10, 0.5 - 0.9799820 / math.sqrt(13.841459), 0.5 + 0.9799820 / math.sqrt(13.841459)),
        (1, 9000, 1.96142e-05, 6.29158e-04),
    ],
)
def test_the_wilson_interval_has_its_hand_values(hits, n, low, high):
    assert metrics.wilson_interval(hits, n) == pytest.approx((low, high), rel=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 267, 9000, 10**6])
def test_the_wilson_interval_ends_exactly_at_zero_and_one(n):
    assert metrics.wilson_interval(0, n)[0] == 0.0
    assert metrics.wilson_interval(n, n)[1] == 1.0


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_solves_its_equation(case):
    # Its ends are where |share - p| equals z standard errors of p.
    hits, n = case
    for p in metrics.wilson_interval(hits, n):
        assert 0 <= p <= 1
        assert (hits / n - p) ** 2 == pytest.approx(metrics.Z_95**2 * p * (1 - p) / n, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (2, 1), (-1, 5)])
def test_the_wilson_interval_refuses_impossible_counts(hits, n):
    with pytest.raises(ValueError, match="wanted 0 <= hits <= n"):
        metrics.wilson_interval(hits, n)


def test_accuracy_per_class_is_unknown_for_a_class_without_samples():
    predicted = np.array([0, 1, 1, 1, 0, 0])
    assert metrics.per_class_accuracy(predicted, LABELS, ["a", "b", "c"]) == [
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        None,
    ]


def pairwise_auroc(scores, positive):
    wins = 0.0
    for p in scores[positive]:
        for n in scores[~positive]:
            wins += 1.0 if p > n else 0.5 if p == n else 0.0
    return wins / (positive.sum() * (~positive).sum())


def test_auroc_has_its_hand_values():
    positive = np.array([True, True, False, False])
    assert metrics.auroc(np.array([4.0, 3.0, 2.0, 1.0]), positive) == 1.0
    assert metrics.auroc(np.array([1.0, 2.0, 3.0, 4.0]), positive) == 0.0
    assert metrics.auroc(np.array([5.0, 5.0, 5.0, 5.0]), positive) == 0.5
    assert metrics.auroc(np.array([2.0, 1.0, 1.0, 0.0]), positive) == (1 + 1 + 0.5 + 1) / 4


def test_auroc_is_unknown_with_one_kind_alone():
    assert metrics.auroc(np.array([1.0, 2.0]), np.array([True, True])) is None
    assert metrics.auroc(np.array([1.0, 2.0]), np.array([False, False])) is None


def test_auroc_refuses_scores_that_are_not_numbers():
    with pytest.raises(ValueError, match="1 are not"):
        metrics.auroc(np.array([1.0, np.nan]), np.array([True, False]))


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60))
def test_auroc_equals_the_count_of_pairs(pairs):
    scores = np.array([score for score, _ in pairs], dtype=np.float32)
    positive = np.array([flag for _, flag in pairs])
    if positive.all() or not positive.any():
        assert metrics.auroc(scores, positive) is None
    else:
        assert metrics.auroc(scores, positive) == pytest.approx(pairwise_auroc(scores, positive))


def test_purity_counts_the_pool_and_what_it_misses():
    in_clean = np.array([True, True, True, True, False, False])
    poisoned = np.array([True, False, False, False, True, False])
    found = metrics.purity(in_clean, poisoned)
    assert (found.size, found.poisoned) == (4, 1)
    assert (found.precision, found.recall) == (3 / 4, 3 / 4)


def test_an_empty_pool_has_no_precision():
    found = metrics.purity(np.zeros(3, dtype=bool), np.array([True, False, False]))
    assert (found.size, found.precision, found.recall) == (0, None, 0.0)


def test_hard_clean_samples_are_the_clean_ones_with_the_highest_loss():
    losses = np.array([9.0, 1.0, 5.0, 5.0, 7.0])
    clean = np.array([False, True, True, True, True])
    assert metrics.hard_clean(losses, clean, 2).tolist() == [False, False, True, False, True]


def test_hard_clean_samples_are_at_most_all_clean_ones():
    clean = np.array([False, True])
    assert metrics.hard_clean(np.array([1.0, 2.0]), clean, 5).tolist() == [False, True]


def test_the_lowest_scores_are_chosen_and_ties_go_to_the_earlier_sample():
    scores = np.array([2.0, 1.0, 2.0, 0.0])
    assert metrics.lowest(scores, 3).tolist() == [True, True, False, True]


def test_ranks_count_from_the_lowest_and_ties_go_to_the_earlier_sample():
    assert metrics.ranks(np.array([0.1, 0.5, 0.2, 0.2, 9.0, 0.05])).tolist() == [1, 4, 2, 3, 5, 0]


def test_ranks_within_a_class_count_its_samples_alone():
    scores = np.array([0.1, 0.5, 0.2, 0.2, 9.0, 0.05])
    assert metrics.ranks_within(scores, LABELS).tolist() == [1, 2, 0, 1, 2, 0]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_ranks_within_equal_a_plain_sort_of_each_class(rows):
    scores, groups = np.array([s for s, _ in rows], dtype=np.float32), np.array([g for _, g in rows])
    wanted = [0] * len(rows)
    for group in set(groups.tolist()):
        members = [i for i in range(len(rows)) if groups[i] == group]
        for place, row in enumerate(sorted(members, key=lambda i: scores[i])):
            wanted[row] = place
    assert metrics.ranks_within(scores, groups).tolist() == wanted
