import json
from dataclasses import replace

import numpy as np
import pytest

from asd import evaluation
from asd.errors import DataError
from asd.evaluation import ProbeEpoch
from asd.layout import Cell
from asd.pools.history import write_predictions
from asd.truth import ProbeTruth
from asd.types import DataView, SampleIndex

CELL = Cell("pets", "badnets", "asd", 0)


class Reader:
    """Says of each image the class that its first pixel is."""

    def predict(self, images):
        return images[:, 0, 0, 0].astype(np.int64)


def view(keys, labels, predicted, trusted=True):
    images = np.zeros((len(keys), 1, 2, 2), dtype=np.uint8)
    images[:, 0, 0, 0] = predicted
    index = SampleIndex(tuple(keys), np.array(labels), ("",) * len(keys), ("",) * len(keys))
    return DataView(index, images, ("cat", "dog", "owl"), trusted)


# Five clean images, 3 right. Target class 2; the triggered ones are those of the other classes.
TEST = view(["t0", "t1", "t2", "t3", "t4"], [0, 0, 1, 1, 2], predicted=[0, 2, 1, 0, 2])
TRIGGERED = view(["t3", "t0", "t1", "t2"], [2, 2, 2, 2], predicted=[2, 2, 2, 0])


def test_accuracy_and_attack_success_are_means_over_samples():
    found = evaluation.evaluate(CELL, Reader(), TEST, TRIGGERED)
    assert (found["acc"], found["n_acc"]) == (3 / 5, 5)
    assert (found["asr"], found["n_asr"]) == (3 / 4, 4)


def test_the_base_rate_is_of_the_same_images_without_the_trigger():
    found = evaluation.evaluate(CELL, Reader(), TEST, TRIGGERED)
    assert (found["asr_base"], found["n_asr_base"]) == (1 / 4, 4)  # t1 alone is called 2
    assert found["asr_minus_base"] == pytest.approx(1 / 2)


def test_the_base_rate_follows_an_attack_with_many_targets():
    wanted = view(["t0", "t2", "t4"], [1, 2, 0], predicted=[1, 2, 0])  # each class to the next
    plain = view(["t0", "t2", "t4"], [0, 1, 2], predicted=[1, 1, 2])
    found = evaluation.evaluate(CELL, Reader(), plain, wanted)
    assert (found["asr"], found["asr_base"]) == (1.0, 1 / 3)


def test_triggered_pictures_without_a_known_clean_one_count_for_success_but_not_for_the_base_rate():
    some = view(["t3", "alone_000001", "t1"], [2, 2, 2], predicted=[2, 2, 0])
    found = evaluation.evaluate(CELL, Reader(), TEST, some)
    assert (found["asr"], found["n_asr"]) == (2 / 3, 3)
    assert (found["asr_base"], found["n_asr_base"]) == (1 / 2, 2)  # t1 is called 2, t3 is not
    assert found["asr_minus_base"] is None  # not over the same pictures
    assert found["why_asr_base"].endswith("those of 2 of 3")
    alone = view(["alone_000000", "alone_000001"], [2, 2], predicted=[2, 1])
    found = evaluation.evaluate(CELL, Reader(), TEST, alone)
    assert (found["asr"], found["asr_base"], found["n_asr_base"]) == (1 / 2, None, None)
    assert found["why_asr_base"].endswith("none of them")


def test_where_all_clean_pictures_are_known_nothing_is_explained():
    assert "why_asr_base" not in evaluation.evaluate(CELL, Reader(), TEST, TRIGGERED)
    assert "why_asr_base" not in evaluation.evaluate(CELL, Reader(), TEST, None)


def test_accuracy_is_given_per_class_by_name():
    found = evaluation.evaluate(CELL, Reader(), TEST, TRIGGERED)
    assert found["per_class_accuracy"] == {"cat": 1 / 2, "dog": 1 / 2, "owl": 1.0}


def test_accuracy_is_given_per_drop_and_per_source_where_the_test_set_comes_from_drops():
    sources = ("acme/drop-0001/a", "acme/drop-0001/b", "beta/drop-0002/a", "acme/drop-0003/a", "else/x")
    plain = view(["t0", "t1", "t2", "t3", "t4"], [0, 0, 1, 1, 2], predicted=[0, 2, 1, 0, 2], trusted=False)
    held_out = replace(plain, index=replace(plain.index, sources=sources))
    found = evaluation.evaluate(CELL, Reader(), held_out, None)
    assert {
        number: (one["source"], one["acc_untrusted"], one["n"]) for number, one in found["per_drop"].items()
    } == {
        "1": ("acme", 1 / 2, 2),
        "2": ("beta", 1.0, 1),
        "3": ("acme", 0.0, 1),
    }
    assert {name: (one["acc_untrusted"], one["n"]) for name, one in found["per_source"].items()} == {
        "acme": (1 / 3, 3),
        "beta": (1.0, 1),
    }
    other = evaluation.evaluate(CELL, Reader(), TEST, None)
    assert (other["per_drop"], other["per_source"]) == (None, None)


def test_without_an_attack_all_about_it_is_null():
    found = evaluation.evaluate(CELL, Reader(), TEST, None)
    names = ("asr", "asr_interval", "n_asr", "asr_base", "n_asr_base", "asr_minus_base")
    assert {found[name] for name in names} == {None}
    assert found["acc"] == 3 / 5


def test_accuracy_on_labels_that_nobody_vouches_for_has_another_name():
    test = view(["t0", "t1", "t2", "t3", "t4"], [0, 0, 1, 1, 2], predicted=[0, 2, 1, 0, 2], trusted=False)
    found = evaluation.evaluate(CELL, Reader(), test, TRIGGERED)
    assert (found["acc"], found["acc_interval"], found["trusted"]) == (None, None, False)
    assert (found["acc_untrusted"], found["n_acc_untrusted"], found["n_acc"]) == (3 / 5, 5, 5)
    low, high = found["acc_untrusted_interval"]
    assert low < 3 / 5 < high
    assert found["per_class_acc_untrusted"] == {"cat": 1 / 2, "dog": 1 / 2, "owl": 1.0}
    assert found["per_class_accuracy"] is None
    assert found["why_untrusted"].startswith("nobody vouches")


def test_accuracy_on_vouched_labels_has_one_name_only():
    found = evaluation.evaluate(CELL, Reader(), TEST, None)
    assert {found[name] for name in found if "untrusted" in name} == {None}


def test_the_result_names_its_cell_and_is_plain_json():
    found = evaluation.evaluate(CELL, Reader(), TEST, TRIGGERED)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [found[k] for k in ("dataset", "attack", "defense", "trial", "trusted")] == [
        "pets",
        "badnets",
        "asd",
        0,
        True,
    ]


def test_a_triggered_image_without_a_clean_twin_is_refused():
    stray = view(["t9"], [2], predicted=[2])
    with pytest.raises(DataError, match="such as 't9'"):
        evaluation.evaluate(CELL, Reader(), TEST, stray)


def test_images_are_predicted_in_parts_and_in_order(monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH", 2)
    sizes = []

    class Counting(Reader):
        def predict(self, images):
            sizes.append(len(images))
            return super().predict(images)

    assert evaluation.predict_all(Counting(), TEST.images).tolist() == [0, 2, 1, 0, 2]
    assert sizes == [2, 2, 1]


# -- curves ---------------------------------------------------------------------------------

PROBE = ProbeTruth(
    keys=("p000000", "p000001", "p000002", "p000003", "p000004"),
    test_keys=("t1", "t0", "t0", "t4", "t2"),
    triggered=np.array([False, True, False, False, True]),
    labels=np.array([0, 0, 0, 2, 1]),
)
WANTED = {"t0": 2, "t1": 2, "t2": 2, "t3": 2}


def test_curves_join_the_predictions_with_what_each_probe_image_is():
    epochs = [ProbeEpoch(1, np.array([0, 2, 1, 1, 0])), ProbeEpoch(2, np.array([0, 2, 0, 2, 2]))]
    table = evaluation.curves(epochs, PROBE, WANTED, trusted=True)
    assert table.to_pylist() == [
        {"epoch": 1, "acc": pytest.approx(1 / 3), "asr": 1 / 2, "n_acc": 3, "n_asr": 2},
        {"epoch": 2, "acc": 1.0, "asr": 1.0, "n_acc": 3, "n_asr": 2},
    ]


def test_curves_of_untrusted_labels_have_the_other_name():
    table = evaluation.curves([ProbeEpoch(1, np.array([0, 2, 0, 2, 2]))], PROBE, WANTED, trusted=False)
    assert table.column_names == ["epoch", "acc_untrusted", "asr", "n_acc", "n_asr"]


def test_curves_without_triggered_images_have_no_attack_success():
    probe = ProbeTruth(("p000000",), ("t0",), np.array([False]), np.array([0]))
    table = evaluation.curves([ProbeEpoch(1, np.array([0]))], probe, {}, trusted=True)
    assert table.to_pylist() == [{"epoch": 1, "acc": 1.0, "asr": None, "n_acc": 1, "n_asr": 0}]


def test_curves_without_recorded_epochs_are_empty():
    assert evaluation.curves([], PROBE, WANTED, trusted=True).num_rows == 0


def test_a_triggered_probe_image_must_be_among_the_triggered_test_images():
    with pytest.raises(DataError, match="'t0' is not among"):
        evaluation.curves([], PROBE, {"t2": 2}, trusted=True)


def test_predictions_are_read_epoch_by_epoch(tmp_path):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, [(3, np.array([1, 0])), (4, np.array([2, 2]))])
    found = [(e.epoch, e.predicted.tolist()) for e in evaluation.read_predictions(path, 2)]
    assert found == [(3, [1, 0]), (4, [2, 2])]


def test_a_stage_that_trained_nothing_has_no_predictions(tmp_path):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, [])
    assert list(evaluation.read_predictions(path, 2)) == []


def test_predictions_of_another_probe_are_refused(tmp_path):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, [(3, np.array([1, 0]))])
    with pytest.raises(DataError, match="one epoch of 5 probe images, got 2 rows"):
        list(evaluation.read_predictions(path, 5))


def test_missing_or_broken_predictions_are_named(tmp_path):
    path = tmp_path / "predictions.parquet"
    with pytest.raises(DataError, match="missing file"):
        list(evaluation.read_predictions(path, 2))
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(evaluation.read_predictions(path, 2))
