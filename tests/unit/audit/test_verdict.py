"""Verdicts on the six samples of conftest.py, and the share estimate on made-up gains."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from asd.audit.verdict import LOWEST_MARK, UNSEEN, VERDICTS, class_marks, estimate_share, judge, log_odds
from asd.pools.history import EpochRow, History
from asd.training.losses import symmetric_cross_entropy

NO_SEEDS = np.zeros(1000, dtype=bool)
NAN = float("nan")


def untold(record, **changes):
    return replace(record, truth=None, **changes)


def meta_split(epoch, pool, gains):
    """A meta-split in which sample i goes from log-odds -gains[i] to 0."""
    after = np.zeros(len(gains))
    return EpochRow(epoch, "meta-split", NAN, sce(-np.asarray(gains)), pool, virtual_loss=sce(after))


def sce(odds):
    """Symmetric cross-entropy of two logits (odds, 0) for the first class, by the training code."""
    logits = torch.tensor(np.stack([odds, np.zeros(len(odds))], axis=1))
    return symmetric_cross_entropy(logits, torch.zeros(len(odds), dtype=torch.long)).numpy()


def mask(*rows):
    found = np.zeros(6, dtype=bool)
    found[list(rows)] = True
    return found


def run(make_record, *rows, seeds=()):
    """A record of these epochs of stage 3 after one class-agnostic epoch with samples 0 and 1."""
    loss = np.ones(6, dtype=np.float32)
    before = EpochRow(0, "class-agnostic", NAN, loss, mask(0, 1))
    final = EpochRow(9, "final", NAN, loss, rows[-1].in_clean if rows else before.in_clean)
    runs = [History(()), History((before,)), History((*rows, final))]
    return untold(make_record(runs=runs, seeds=seeds))


def test_log_odds_undo_the_loss_that_training_uses():
    odds = np.linspace(-9, 4.9, 40)
    assert np.allclose(log_odds(sce(odds)), odds, atol=2e-3)


def test_log_odds_say_nothing_beyond_a_fitted_label():
    assert log_odds(np.array([0.0], dtype=np.float32)).tolist() == [5.0]


def test_a_gain_of_four_and_a_half_is_a_suspicion_of_one_half(make_record):
    judged = judge(run(make_record, meta_split(1, mask(0), [4.5] * 6)))
    assert judged.suspicion == pytest.approx([0.5] * 6, abs=1e-3)


def test_the_gain_is_the_mean_over_the_meta_splits(make_record):
    rows = [meta_split(epoch, mask(0), [gain] * 6) for epoch, gain in ((1, 2.0), (2, 4.0))]
    expected = 1 / (1 + math.exp(4.5 - 3.0))
    assert judge(run(make_record, *rows)).suspicion == pytest.approx([expected] * 6, abs=1e-3)


def test_verdicts_follow_suspicion_pool_and_the_loss_guided_splits(make_record):
    gains = [0, 0, 0, 6.0, 0, 0]
    pools = (mask(1, 2, 3, 5), mask(1, 2, 3), mask(1, 2, 3, 4))
    rows = [meta_split(epoch, pool, gains) for epoch, pool in enumerate(pools)]
    verdicts = judge(run(make_record, *rows, seeds=(0,))).verdicts.tolist()
    assert verdicts == ["seed", "clean", "hard-clean", "suspect", "undecided", "unused"]


def test_a_sample_that_was_in_for_most_splits_and_is_out_at_the_end_is_undecided(make_record):
    rows = [meta_split(epoch, pool, [0] * 6) for epoch, pool in enumerate((mask(2), mask(2), mask(1)))]
    assert judge(run(make_record, *rows)).verdicts[2] == "undecided"


def test_a_seed_stays_a_seed_however_suspicious(make_record):
    judged = judge(run(make_record, meta_split(1, mask(0), [9.0] * 6), seeds=(3,)))
    assert judged.verdicts.tolist() == ["suspect"] * 3 + ["seed"] + ["suspect"] * 2


def test_the_counts_name_every_verdict(record):
    counts = judge(untold(record)).counts()
    assert tuple(counts) == VERDICTS
    assert sum(counts.values()) == len(record)


def test_without_a_meta_split_there_are_verdicts_but_no_suspicion(make_record):
    judged = judge(run(make_record))
    assert judged.verdicts.tolist() == ["clean", "clean", "unused", "unused", "unused", "unused"]
    assert (judged.suspicion, judged.share) == (None, None)


def test_an_undefended_run_has_no_verdicts(undefended_record):
    judged = judge(untold(undefended_record))
    assert (judged.verdicts, judged.suspicion, judged.share, judged.counts()) == (None, None, None, None)


def test_a_record_that_knows_the_truth_is_refused(record):
    with pytest.raises(ValueError, match="before the truth is read"):
        judge(record)


ONE_CLASS = np.zeros(1000, dtype=np.int64)


def test_the_share_is_the_count_above_the_mark_and_the_interval_allows_a_fifth_of_the_class():
    gain = np.full(1000, 1.0)
    gain[:300], gain[300:310] = 8.0, 4.2
    found = estimate_share(gain, np.array([4.5]), ONE_CLASS, NO_SEEDS)
    assert found.value == 0.3
    assert found.interval[0] == pytest.approx(0.3 - 0.2)
    # Wilson, 310 of 1000: (0.31 + 1.9207e-3 + 1.96 sqrt(0.31 * 0.69 / 1000 + 9.604e-7)) / 1.0038415
    assert found.interval[1] == pytest.approx(0.33935, abs=2e-5)


def test_a_subgroup_of_less_than_a_fifth_of_a_class_is_no_proof_of_poison():
    gain, labels = np.full(1000, 1.0), np.arange(1000) % 5
    gain[:100] = 8.0  # a tenth of every class
    found = estimate_share(gain, np.full(5, 4.5), labels, NO_SEEDS)
    assert (found.value, found.interval[0]) == (0.1, 0.0)


def test_the_lower_end_adds_up_class_by_class():
    gain, labels = np.full(1000, 1.0), np.arange(1000) % 5
    gain[labels == 3] = 8.0
    found = estimate_share(gain, np.full(5, 4.5), labels, NO_SEEDS)
    assert found.interval[0] == pytest.approx((200 - 0.2 * 200) / 1000)


def test_clean_data_have_a_share_of_nothing():
    found = estimate_share(np.linspace(-3, 3, 1000), np.array([4.5]), ONE_CLASS, NO_SEEDS)
    assert (found.value, found.interval[0]) == (0.0, 0.0)


def test_no_interval_ends_below_what_was_measured_to_go_unseen():
    found = estimate_share(np.linspace(-3, 3, 1000), np.array([4.5]), ONE_CLASS, NO_SEEDS)
    assert found.interval[1] == UNSEEN  # Wilson of 0 in 1000 would be 0.0038


def test_seeds_are_not_counted_as_poison():
    gain = np.zeros(1000)
    gain[:40] = 8.0
    assert estimate_share(gain, np.array([4.5]), ONE_CLASS, np.arange(1000) < 40).value == 0.0


def test_a_class_that_is_learned_early_has_the_lowest_mark():
    assert class_marks(np.zeros(1000), ONE_CLASS, 1, NO_SEEDS).tolist() == [LOWEST_MARK]


def test_the_mark_of_a_late_class_lies_four_spreads_above_its_middle():
    # Three in five gains are 3, the others 1: the shortest half is 3 to 3, those below are 2 away.
    gain = np.tile([3.0, 3.0, 3.0, 1.0, 1.0], 200)
    assert class_marks(gain, ONE_CLASS, 1, NO_SEEDS) == pytest.approx([3 + 4 * 2])


def test_poison_does_not_move_the_mark_of_its_class():
    gain = np.tile([3.0, 3.0, 3.0, 1.0, 1.0], 200)
    gain[:600] = 9.0
    assert class_marks(gain, ONE_CLASS, 1, NO_SEEDS) == pytest.approx([11.0])


def test_a_class_without_ordinary_samples_is_not_judged():
    gain = np.full(1000, 7.0)
    gain[:199] = 0.0
    marks = class_marks(gain, ONE_CLASS, 1, NO_SEEDS)
    assert np.isinf(marks).tolist() == [True]
    assert estimate_share(gain, marks, ONE_CLASS, NO_SEEDS).value == 0.0


def test_a_class_that_is_not_judged_has_no_suspects_and_is_named(make_record):
    record = run(make_record, meta_split(1, mask(0), [9.0] * 6))
    one_class = replace(record.index, labels=np.zeros(6, dtype=np.int64))
    judged = judge(replace(record, index=one_class))
    assert judged.suspicion.tolist() == [0.0] * 6
    assert judged.not_judged() == [0]


def test_a_class_of_few_samples_has_the_lowest_mark():
    assert class_marks(np.full(4, 9.0), np.zeros(4, dtype=np.int64), 2, np.zeros(4, dtype=bool)).tolist() == [
        LOWEST_MARK,
        LOWEST_MARK,
    ]
