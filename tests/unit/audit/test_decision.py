"""Rule, rank and cut of the last split, on the six samples of conftest.py, by hand.

The last split is the meta-split of epoch 3. Falls of the loss: 0, 0.5, 0, 0.25, 7, 0.5; the
pool is 0, 2 and 3; the cut is 0.25.
"""

from dataclasses import replace

import numpy as np
import pytest

from asd.audit.decision import last_decisions, reasons
from asd.audit.samples import sample_table
from asd.audit.verdict import judge
from asd.pools.history import EpochRow, History

NAN = float("nan")


def words(record):
    untold = replace(record, truth=None)
    return reasons(untold, judge(untold), last_decisions(untold))


def test_the_last_split_ranks_by_the_fall_of_the_loss(record):
    found = last_decisions(record)
    assert (found.rule, found.epoch, found.splits, found.cut) == ("meta-split", 3, 1, 0.25)
    assert found.score.tolist() == [0.0, 0.5, 0.0, 0.25, 7.0, 0.5]
    assert found.rank.tolist() == [1, 4, 2, 3, 6, 5]
    assert found.ranked.tolist() == [6] * 6


def test_a_class_aware_split_ranks_inside_the_class(make_record):
    loss = np.array([3, 1, 2, 5, 4, 2], dtype=np.float32)  # classes 0 0 1 1 1 0
    pool = np.array([True, False, False, False, True, False])
    runs = [
        History((EpochRow(0, "class-aware", NAN, loss, pool),)),
        History(()),
        History((EpochRow(1, "final", NAN, loss, pool),)),
    ]
    record = make_record(runs=runs)
    found = last_decisions(record)
    assert found.rank.tolist() == [3, 1, 1, 3, 2, 2]
    assert found.ranked.tolist() == [3, 3, 3, 3, 3, 3]
    assert (
        words(record)[3]
        == "Left out by the class-aware split of epoch 0: loss 5.00, rank 3 of 3 of its class."
    )


def test_the_reason_names_rule_rank_and_cut(record):
    said = words(record)
    assert said[0] == "Somebody vouches for it: its label is used in every epoch."
    assert said[3] == (
        "Let in by the meta-split of epoch 3: fall of its loss 0.25, rank 3 of 6, "
        "the highest let in was 0.25."
    )
    assert said[1].startswith("Left out by the meta-split of epoch 3: fall of its loss 0.50, rank 4 of 6")


def test_a_suspect_is_told_its_gain_and_the_mark_of_its_class(record):
    loud = replace(record, truth=None)
    judged = replace(
        judge(loud),
        verdicts=np.array(["seed", *["suspect"] * 5]),
        gain=np.full(6, 7.25),
        marks=np.full(2, 4.5),
    )
    said = reasons(loud, judged, last_decisions(loud))[4]
    assert said.startswith(
        "Its label was learned at once by the virtual model: the log-odds rose by 7.2 "
        "(mean of 1 meta-splits); the mark of its class is 4.5. Left out by the meta-split"
    )


def test_an_undefended_run_decided_nothing(undefended_record):
    assert words(undefended_record) == [None] * 6
    table = sample_table(undefended_record, judge(replace(undefended_record, truth=None)))
    for name in ("decided_by", "decided_epoch", "decided_rank", "decided_score", "decided_cut", "reason"):
        assert table[name].null_count == 6


def test_the_table_holds_the_decision(record):
    table = sample_table(record, judge(replace(record, truth=None)))
    assert table["decided_by"].to_pylist() == ["seed", *["meta-split"] * 5]
    assert table["decided_rank"].to_pylist() == [1, 4, 2, 3, 6, 5]
    assert table["decided_cut"].to_pylist() == pytest.approx([0.25] * 6)
