"""Verdicts on the six samples of conftest.py, and the share estimate on made-up gains."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from asd.audit.verdict import VERDICTS, estimate_share, judge, log_odds
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


def test_the_share_is_the_count_above_the_cut_less_what_clean_data_explain():
    gain = np.tile([-1.0, 0.0, 1.0, 2.0, 3.0], 200)
    gain[:40] = 8.0
    found = estimate_share(gain, NO_SEEDS)
    # Median 1, MAD 1: a normal with deviation 1.4826 has 0.91% above 4.5.
    assert found.value == pytest.approx(0.04 - 0.00912, abs=1e-4)
    assert found.interval == pytest.approx((0.02954 - 0.00037, 0.05402), abs=1e-4)


def test_clean_data_have_a_share_of_nothing():
    found = estimate_share(np.linspace(-3, 3, 1000), NO_SEEDS)
    assert (found.value, found.interval[0]) == (0.0, 0.0)
    assert found.interval[1] == pytest.approx(0.00383, abs=1e-5)


def test_seeds_are_not_counted_as_poison():
    gain = np.zeros(1000)
    gain[:40] = 8.0
    assert estimate_share(gain, np.arange(1000) < 40).value == 0.0


def test_gains_that_are_all_equal_give_an_estimate_too():
    assert estimate_share(np.zeros(1000), NO_SEEDS).value == 0.0
