import json
from dataclasses import replace

import numpy as np
import pytest

from asd.audit.purity import pool_figures
from asd.audit.verdict import judge
from asd.pools.history import EpochRow, History
from asd.truth import PoisonTruth
from asd.types import SampleIndex


def figures(record):
    return pool_figures(record, judge(replace(record, truth=None)))


def test_each_stage_tells_the_pool_of_its_last_epoch(record):
    stages = figures(record)["stages"]
    assert [(s["stage"], s["epoch"], s["rule"], s["size"]) for s in stages] == [
        (1, 1, "class-aware", 2),
        (2, 2, "class-agnostic", 2),
        (3, 3, "meta-split", 3),
    ]
    assert stages[0]["per_class"] == {"cat": 1, "dog": 1}
    assert stages[2]["cut"] == 0.25
    assert stages[0]["cut"] is None


def test_precision_and_recall_count_what_is_not_poisoned(record):
    final = figures(record)["final"]
    assert (final["size"], final["poisoned"], final["precision"], final["recall"]) == (3, 0, 1.0, 3 / 5)


def test_scores_are_judged_as_detectors(record):
    stage1, _, stage3 = figures(record)["stages"]
    assert (stage1["auroc_loss"], stage1["auroc_reduction"]) == (0.5, None)  # all losses are equal
    assert (stage3["auroc_loss"], stage3["auroc_reduction"]) == (1.0, 1.0)


def test_a_stage_that_kept_its_pool_at_last_is_judged_by_its_last_meta_split(make_record, six_histories):
    meta, final = six_histories[2].epochs
    kept = EpochRow(4, "kept", float("nan"), meta.loss, meta.in_clean)
    runs = [*six_histories[:2], History((meta, kept, replace(final, epoch=5)))]
    stage3 = figures(make_record(runs=runs))["stages"][2]
    assert (stage3["rule"], stage3["auroc_reduction"]) == ("kept", 1.0)


def test_a_stage_that_was_handed_on_is_null(undefended_record):
    found = figures(undefended_record)
    assert [s["stage"] for s in found["stages"]] == [1, 2, 3]
    assert {v for s in found["stages"] for k, v in s.items() if k != "stage"} == {None}
    assert (found["final"]["size"], found["final"]["poisoned"]) == (6, 1)


def test_all_stages_have_the_same_keys(record, undefended_record):
    trained, handed_on = (figures(r)["stages"] for r in (record, undefended_record))
    assert {frozenset(s) for s in trained} == {frozenset(s) for s in handed_on}


def test_with_nothing_known_purity_is_null(unknown_record):
    found = figures(unknown_record)
    assert (found["truth"], found["planted"], found["meta_split"]) == (None, None, None)
    final = found["final"]
    assert {final[k] for k in ("poisoned", "precision", "recall", "auroc_loss", "auroc_reduction")} == {None}
    assert final["size"] == 3


def test_on_untrusted_data_only_what_we_planted_counts(make_record):
    found = figures(make_record(trusted=False))
    assert (found["truth"], found["planted"], found["final"]["poisoned"]) == ("planted only", 1, 0)


def test_without_an_attack_on_trusted_data_the_pool_is_pure(make_record, nothing_planted):
    found = figures(make_record(planted=nothing_planted))
    final = found["final"]
    assert (final["poisoned"], final["precision"], final["recall"]) == (0, 1.0, 3 / 6)
    assert (final["auroc_loss"], found["meta_split"]) == (None, None)


def test_decoys_do_not_count_as_poisoned(make_record):
    planted = PoisonTruth(("k0", "k4"), ("decoy", "poisoned"), np.array([0, 0]))
    assert figures(make_record(planted=planted))["final"]["poisoned"] == 0


def test_warnings_keep_their_stage_and_epoch(record):
    assert figures(record)["warnings"] == [{"stage": 1, "epoch": 1, "text": "epoch 1: dog is starved"}]


def test_every_recorded_epoch_is_listed(record):
    epochs = figures(record)["epochs"]
    assert [(e["epoch"], e["stage"], e["size"]) for e in epochs] == [
        (0, 1, 1),
        (1, 1, 2),
        (2, 2, 2),
        (3, 3, 3),
    ]
    assert epochs[3]["notes"] == {"virtual": [{"steps": 9}]}


def test_the_figures_are_plain_json(record):
    found = figures(record)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


# Twenty samples, so that a tenth is two. Poisoned: 0, 1. Hard clean: 2, 3. The others are easy.
LOSS = np.array([8.0, 4.0, 9.0, 5.0, *[0.5] * 16], dtype=np.float32)
AFTER = np.array([1.0, 4.5, 8.0, 5.0, *[0.5] * 16], dtype=np.float32)


@pytest.fixture
def meta_split(make_record):
    labels = np.zeros(20, dtype=np.int64)
    in_clean = np.ones(20, dtype=bool)
    in_clean[[0, 2]] = False
    worse = EpochRow(1, "meta-split", 0.0, LOSS, in_clean, virtual_loss=LOSS)
    rows = (
        EpochRow(0, "meta-split", 0.0, LOSS, in_clean, virtual_loss=AFTER),
        worse,
        EpochRow(2, "final", 0.0, LOSS, in_clean),
    )
    keys = tuple(f"k{i:02d}" for i in range(20))
    record = make_record(
        index=SampleIndex(keys, labels, ("",) * 20, ("",) * 20),
        planted=PoisonTruth(("k00", "k01"), ("poisoned",) * 2, np.array([1, 1])),
        runs=[History(()), History(()), History(rows)],
    )
    return figures(record)["meta_split"]


def test_poison_is_told_from_hard_clean_samples_by_reduction_and_by_loss(meta_split):
    # Loss: poison 8, 4 against hard 9, 5: one pair of four. Reduction: 7, -0.5 against 1, 0: two.
    assert meta_split["first"]["auroc_loss"] == 1 / 4
    assert meta_split["first"]["auroc_reduction"] == 2 / 4
    assert (meta_split["first"]["hard"], meta_split["first"]["poisoned"]) == (2, 2)


def test_what_each_ranking_would_keep_is_counted(meta_split):
    # 18 of 20 are kept. By reduction 0 (7) and 2 (1) go, by loss 2 (9) and 0 (8) go.
    assert meta_split["first"]["kept"] == 18
    assert meta_split["first"]["by_reduction"] == {"hard": 1, "poisoned": 1}
    assert meta_split["first"]["by_loss"] == {"hard": 1, "poisoned": 1}


def test_the_last_meta_split_is_judged_too_and_ties_keep_the_view_order(meta_split):
    # No loss fell at all: every reduction is 0, so the first 18 in view order are kept.
    assert meta_split["last"]["epoch"] == 1
    assert meta_split["last"]["auroc_reduction"] == 1 / 2
    assert meta_split["last"]["by_reduction"] == {"hard": 2, "poisoned": 2}


def test_suspects_are_counted_by_class_and_compared_with_what_was_planted(suspicious_record):
    found = figures(suspicious_record)
    assert found["verdicts"]["suspect"] == 1
    assert found["suspects"] == {
        "per_class": {"cat": 0, "dog": 1},
        "auroc": 1.0,
        "poisoned": 1,
        "precision": 1.0,
        "recall": 1.0,
    }
    assert found["estimated_poisoned_share"]["value"] == pytest.approx(1 / 6, abs=1e-3)


def test_an_undefended_run_has_no_verdicts_and_no_estimate(undefended_record):
    found = figures(undefended_record)
    assert [found[name] for name in ("verdicts", "suspects", "estimated_poisoned_share")] == [None] * 3


def test_suspects_of_untrusted_data_without_an_attack_are_only_counted(unknown_record):
    found = figures(unknown_record)["suspects"]
    assert [found[name] for name in ("auroc", "poisoned", "precision", "recall")] == [None] * 4
    assert found["per_class"] == {"cat": 0, "dog": 0}
