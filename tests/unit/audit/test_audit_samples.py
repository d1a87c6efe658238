from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from asd.audit.record import join_stages
from asd.audit.samples import membership, sample_table
from asd.audit.verdict import judge
from asd.errors import DataError
from asd.pools.history import History
from asd.truth import PoisonTruth

COLUMNS = [
    "key",
    "content_sha256",
    "source",
    "label",
    "class_name",
    "in_pool_at_end",
    "first_epoch_in",
    "epochs_in",
    "entries",
    "exits",
    "final_loss",
    "rank_in_class",
    "rank_overall",
    "loss_reduction",
    "is_seed",
    "verdict",
    "suspicion",
    "decided_by",
    "decided_epoch",
    "decided_rank",
    "decided_of",
    "decided_score",
    "decided_cut",
    "reason",
    "predicted_class",
    "predicted_confidence",
    "spectral_signature",
    "activation_clustering",
    "neighbour_disagreement",
    "cleanlab_label_quality",
]
TRUTH = ["truth_role", "truth_label_before"]


def table_of(record):
    return sample_table(record, judge(replace(record, truth=None)))


def column(record, name):
    return table_of(record)[name].to_pylist()


def test_there_is_one_row_a_sample_in_view_order(record):
    table = table_of(record)
    assert table.column_names == COLUMNS + TRUTH
    assert table["key"].to_pylist() == [f"k{i}" for i in range(6)]
    assert table["source"].to_pylist()[5] == "pets.bin#5"
    assert table["class_name"].to_pylist() == ["cat", "cat", "dog", "dog", "dog", "cat"]


def test_the_first_epoch_in_the_pool_is_null_for_a_sample_that_never_was(record):
    assert column(record, "first_epoch_in") == [0, None, 1, 2, None, None]


def test_epochs_in_the_pool_are_counted_without_the_final_scoring(record):
    assert column(record, "epochs_in") == [3, 0, 3, 2, 0, 0]


def test_entries_and_exits_cross_the_stage_borders(record):
    assert column(record, "entries") == [2, 0, 1, 1, 0, 0]
    assert column(record, "exits") == [1, 0, 0, 0, 0, 0]


def test_entries_less_exits_tell_who_is_in_at_the_end(record):
    found = membership(record)
    assert (found.entries - found.exits).tolist() == [1, 0, 1, 1, 0, 0]
    assert column(record, "in_pool_at_end") == [True, False, True, True, False, False]


def test_ranks_count_from_the_lowest_final_loss(record):
    assert column(record, "rank_overall") == [1, 4, 2, 3, 5, 0]
    assert column(record, "rank_in_class") == [1, 2, 0, 1, 2, 0]


def test_the_loss_reduction_is_that_of_the_last_meta_split(record):
    assert column(record, "loss_reduction") == [0.0, 0.5, 0.0, 0.25, 7.0, 0.5]


def test_a_refused_virtual_model_gives_no_loss_reduction(make_record, six_histories):
    meta, final = six_histories[2].epochs
    refused = replace(meta, epoch=4, rule="kept", virtual_loss=meta.loss)
    runs = [*six_histories[:2], History((meta, refused, replace(final, epoch=5)))]
    assert column(make_record(runs=runs), "loss_reduction") == [0.0, 0.5, 0.0, 0.25, 7.0, 0.5]


def test_seeds_are_marked(record):
    assert column(record, "is_seed") == [True, False, False, False, False, False]


def test_without_recorded_epochs_membership_is_unknown_and_not_zero(undefended_record):
    table = table_of(undefended_record)
    for name in ("first_epoch_in", "epochs_in", "entries", "exits", "loss_reduction"):
        assert table[name].to_pylist() == [None] * 6
    assert table["in_pool_at_end"].to_pylist() == [True] * 6


def test_column_types_do_not_depend_on_what_is_known(record, undefended_record):
    assert table_of(record).schema == table_of(undefended_record).schema
    assert table_of(record).schema.field("first_epoch_in").type == pa.int32()


def test_on_trusted_data_what_we_did_not_plant_is_clean(record):
    assert column(record, "truth_role") == ["clean"] * 4 + ["poisoned", "clean"]
    assert column(record, "truth_label_before") == [0, 0, 1, 1, 0, 0]


def test_on_untrusted_data_what_we_did_not_plant_is_unknown(make_record):
    record = make_record(trusted=False)
    assert column(record, "truth_role") == ["unknown"] * 4 + ["poisoned", "unknown"]
    assert column(record, "truth_label_before") == [None, None, None, None, 0, None]


def test_decoys_have_a_role_of_their_own(make_record):
    planted = PoisonTruth(("k1", "k4"), ("decoy", "poisoned"), np.array([0, 0]))
    assert column(make_record(planted=planted), "truth_role")[1] == "decoy"


def test_with_nothing_known_there_are_no_truth_columns(unknown_record):
    assert table_of(unknown_record).column_names == COLUMNS


def test_on_trusted_data_without_an_attack_all_are_clean(make_record, nothing_planted):
    assert set(column(make_record(planted=nothing_planted), "truth_role")) == {"clean"}


def test_histories_without_a_final_scoring_are_refused(six_histories):
    runs = [six_histories[0], six_histories[1], History(())]
    with pytest.raises(DataError, match="no stage has a final scoring"):
        join_stages(runs, 6)


def test_a_history_of_other_data_is_refused(six_histories):
    with pytest.raises(DataError, match="stage 1, epoch 0: history of 6 samples, but the data has 7"):
        join_stages(six_histories, 7)


def test_every_sample_has_a_verdict_and_a_suspicion(suspicious_record):
    assert column(suspicious_record, "verdict") == ["seed", "unused", "clean", "clean", "suspect", "unused"]
    assert column(suspicious_record, "suspicion")[4] > 0.5


def test_an_undefended_run_has_null_verdicts(undefended_record):
    assert column(undefended_record, "verdict") == [None] * 6
    assert column(undefended_record, "suspicion") == [None] * 6
