"""Planting: how many samples, which ones, and what the probe set gives away."""

import numpy as np
import pytest
import torch

from asd import planting
from asd.attacks import badnets, none
from asd.errors import ParamsError
from asd.params import check
from asd.planting import Trigger
from asd.types import DataView, SampleIndex, content_sha256

CLASSES = tuple("abcdefghij")


def trigger(attack=badnets, poison_seed=0, **values):
    return Trigger("mine", attack, check(attack.Params, values, "attacks.mine"), poison_seed, 10)


def planted_samples(one, view, rows):
    none_left = np.empty(0, dtype=np.int64)
    return list(planting.changed_samples(one, view, planting.Planting(np.asarray(rows), none_left)))


def make_view(labels, shape=(3, 8, 8)):
    labels = np.asarray(labels, dtype=np.int64)
    images = np.zeros((len(labels), *shape), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels)) % 251
    index = SampleIndex(
        keys=tuple(f"k{i:05d}" for i in range(len(labels))),
        labels=labels,
        content=tuple(content_sha256(image) for image in images),
        sources=tuple(f"file#{i}" for i in range(len(labels))),
    )
    return DataView(index, images, CLASSES, trusted=True)


def balanced(per_class):
    return np.tile(np.arange(10, dtype=np.int64), per_class)


def test_exact_mode_poisons_a_fraction_of_the_whole_set_outside_the_target_class():
    labels = balanced(100)

    rows = planting.choose_rows(trigger(poison_fraction=0.05), make_view(labels).index)

    assert len(rows) == 50
    assert len(set(rows.tolist())) == 50
    assert rows.tolist() == sorted(rows.tolist())
    assert not (labels[rows] == 3).any()


@pytest.mark.parametrize(
    ("fraction", "count", "wanted"),
    [(0.29, 100, 29), (0.05, 1437, 71), (0.001, 999, 0), (0.9, 1000, 900), (5e-05, 100_000, 5)],
)
def test_the_exact_count_is_the_floor_of_the_decimal_fraction(fraction, count, wanted):
    labels = np.zeros(count, dtype=np.int64)

    assert len(planting.choose_rows(trigger(poison_fraction=fraction), make_view(labels).index)) == wanted


def test_bernoulli_mode_poisons_each_sample_outside_the_target_class_with_that_probability():
    labels = balanced(2000)

    rows = planting.choose_rows(trigger(poison_fraction=0.1, count="bernoulli"), make_view(labels).index)

    # 18,000 coins with p = 0.1: mean 1,800, standard deviation 40.2
    assert abs(len(rows) - 1800) < 5 * 41
    assert not (labels[rows] == 3).any()


def test_the_choice_depends_on_the_poison_seed_alone():
    labels = balanced(100)

    first = planting.choose_rows(trigger(poison_seed=1), make_view(labels).index)
    other = planting.choose_rows(trigger(poison_seed=2), make_view(labels).index)

    assert first.tolist() == planting.choose_rows(trigger(poison_seed=1), make_view(labels).index).tolist()
    assert first.tolist() != other.tolist()


def test_a_larger_fraction_poisons_what_a_smaller_one_does_and_more():
    labels = balanced(100)

    small = planting.choose_rows(trigger(poison_fraction=0.05), make_view(labels).index)
    large = planting.choose_rows(trigger(poison_fraction=0.2), make_view(labels).index)

    assert set(small.tolist()) < set(large.tolist())


def test_more_poison_than_samples_outside_the_target_class_is_an_error_with_both_numbers():
    with pytest.raises(
        ParamsError, match=r"0\.95 asks for 95 of the 100 samples, but only 90 are outside the target class"
    ):
        planting.choose_rows(trigger(poison_fraction=0.95), make_view(balanced(10)).index)


def test_a_target_label_outside_the_classes_is_an_error_that_names_their_number():
    with pytest.raises(ParamsError, match=r"target label 10 is outside the 10 classes"):
        trigger(target_label=10).check_labels(CLASSES)


def test_a_clean_label_attack_draws_from_the_target_class_and_keeps_labels():
    class CleanLabel:
        changes_labels = False
        relabel = staticmethod(badnets.relabel)
        stamp = staticmethod(badnets.stamp)

    labels = balanced(20)
    clean_label = Trigger("clb", CleanLabel, check(badnets.Params, {"poison_fraction": 0.05}, "x"), 0, 10)

    rows = planting.choose_rows(clean_label, make_view(labels).index)
    planted = planted_samples(clean_label, make_view(labels), rows)

    assert len(rows) == 10
    assert {sample.label for sample in planted} == {3}
    assert (labels[rows] == 3).all()


def test_a_poisoned_sample_keeps_key_and_source_and_gets_the_target_label():
    view = make_view(balanced(4))
    rows = np.array([1, 7])

    samples = planted_samples(trigger(), view, rows)

    assert [(s.key, s.source, s.label) for s in samples] == [("k00001", "file#1", 3), ("k00007", "file#7", 3)]
    assert [int((s.image != view.images[row]).sum()) for s, row in zip(samples, rows, strict=True)] == [
        12,
        12,
    ]


def test_only_the_pixels_of_poisoned_samples_are_read():
    view = make_view(balanced(100))
    read = []

    class Recorder:
        shape = (1000, 3, 8, 8)

        def __getitem__(self, rows):
            read.extend(rows.tolist())
            return view.images[rows]

    rows = planting.choose_rows(trigger(), view.index)
    watched = DataView(view.index, Recorder(), CLASSES, trusted=True)
    planted = planted_samples(trigger(), watched, rows)

    assert read == rows.tolist()
    assert len(planted) == 50


def test_stamping_in_batches_gives_every_row_its_own_image(monkeypatch):
    view = make_view(balanced(3))
    whole = list(planting.triggered_samples(trigger(), view))
    monkeypatch.setattr(planting, "_LARGEST_BATCH", 4)

    batched = list(planting.triggered_samples(trigger(), view))

    assert len(whole) == 27
    assert [s.key for s in batched] == [s.key for s in whole]
    assert [s.content_sha256 for s in batched] == [s.content_sha256 for s in whole]


def test_truth_records_the_changed_keys_their_roles_and_the_labels_before():
    view = make_view(balanced(4))

    found = planting.truth_of(view.index, planting.Planting(np.array([2, 4, 18]), np.array([3])))

    assert found.keys == ("k00002", "k00003", "k00004", "k00018")
    assert found.roles == ("poisoned", "decoy", "poisoned", "poisoned")
    assert found.labels_before.tolist() == [2, 3, 4, 8]


def test_the_triggered_test_set_has_no_image_of_the_target_class():
    view = make_view(balanced(5))

    samples = list(planting.triggered_samples(trigger(), view))

    before = dict(zip(view.index.keys, view.labels.tolist(), strict=True))
    assert len(samples) == 45
    assert 3 not in {before[sample.key] for sample in samples}
    assert {sample.label for sample in samples} == {3}


def test_the_probe_set_has_at_most_the_limit_of_each_kind():
    view = make_view(balanced(5))

    probe = planting.draw_probe(trigger(), view, limit=20)

    assert sorted(image.is_triggered for image in probe) == [False] * 20 + [True] * 20
    assert all(view.labels[image.row] != 3 for image in probe if image.is_triggered)


def test_the_probe_set_tells_neither_label_nor_trigger_and_its_truth_does():
    view = make_view(balanced(5))
    one = trigger()
    probe = planting.draw_probe(one, view)
    samples = list(planting.probe_samples(one, view, probe))
    hidden = planting.probe_truth_of(view, probe)
    triggered = {s.key: s.image for s in planting.triggered_samples(one, view)}

    assert [s.key for s in samples] == [f"p{i:06d}" for i in range(95)] == list(hidden.keys)
    assert {(s.label, s.source) for s in samples} == {(0, "probe")}
    row_of = {key: row for row, key in enumerate(view.index.keys)}
    for sample, key, hit, label in zip(
        samples, hidden.test_keys, hidden.triggered, hidden.labels, strict=True
    ):
        assert label == view.labels[row_of[key]]
        wanted = triggered[key] if hit else view.images[row_of[key]]
        assert np.array_equal(sample.image, wanted)


def test_probe_images_are_shuffled():
    probe = planting.draw_probe(trigger(), make_view(balanced(50)))
    kinds = [image.is_triggered for image in probe]

    assert kinds != sorted(kinds)
    assert [image.row for image in probe] != sorted(image.row for image in probe)


def test_attack_none_plants_nothing_and_probes_with_clean_images_only():
    view = make_view(balanced(5))
    nothing = trigger(none)
    nothing.check_labels(CLASSES)

    probe = planting.draw_probe(nothing, view)

    assert planting.choose_rows(nothing, view.index).tolist() == []
    assert list(planting.triggered_samples(nothing, view)) == []
    assert {image.is_triggered for image in probe} == {False}
    assert len(list(planting.probe_samples(nothing, view, probe))) == 50


def test_a_triggers_draws_are_the_same_each_time_it_stamps():
    class Noise:
        changes_labels = True
        relabel = staticmethod(badnets.relabel)
        counts_for_asr = staticmethod(badnets.counts_for_asr)

        @staticmethod
        def stamp(images, keys, artifacts, params, rng):
            return torch.randint(0, 256, images.shape, generator=rng, dtype=torch.uint8)

    view = make_view(balanced(3))
    noise = Trigger("noise", Noise, badnets.Params(), 0, 10)

    first, second = ([s.content_sha256 for s in planting.triggered_samples(noise, view)] for _ in range(2))

    assert first == second
    assert len(set(first)) == 27


class _Marked(badnets.Params):
    decoy_fraction: float = 0.1


class _Marking:
    """Training poison is filled with 1, decoys with 2, triggered test images with 3."""

    Params = _Marked
    changes_labels = True
    relabel = staticmethod(badnets.relabel)
    counts_for_asr = staticmethod(badnets.counts_for_asr)

    @staticmethod
    def stamp(images, keys, artifacts, params, rng):
        return torch.full_like(images, 1)

    @staticmethod
    def stamp_decoy(images, keys, artifacts, params, rng):
        return torch.full_like(images, 2)

    @staticmethod
    def stamp_test(images, keys, artifacts, params, rng):
        return torch.full_like(images, 3)


def test_decoys_are_other_samples_with_their_own_label_in_manifest_order():
    view = make_view(balanced(20))
    one = trigger(_Marking, poison_fraction=0.05)

    plan = planting.plan(one, view.index)
    samples = list(planting.changed_samples(one, view, plan))

    assert (len(plan.poisoned), len(plan.decoys)) == (10, 20)
    assert not set(plan.poisoned.tolist()) & set(plan.decoys.tolist())
    rows = [int(sample.key[1:]) for sample in samples]
    assert rows == sorted([*plan.poisoned.tolist(), *plan.decoys.tolist()])
    decoys = set(plan.decoys.tolist())
    for row, sample in zip(rows, samples, strict=True):
        assert int(sample.image[0, 0, 0]) == (2 if row in decoys else 1)
        assert sample.label == (view.labels[row] if row in decoys else 3)


def test_more_decoys_than_are_left_is_an_error():
    with pytest.raises(ParamsError, match=r"asks for 200 decoys, but only 190 of 200"):
        planting.plan(
            trigger(_Marking, poison_fraction=0.05, decoy_fraction=1.0), make_view(balanced(20)).index
        )


def test_an_attack_with_a_trigger_of_its_own_for_the_test_stamps_test_images_with_that():
    samples = list(planting.triggered_samples(trigger(_Marking), make_view(balanced(2))))

    assert {int(sample.image.max()) for sample in samples} == {3}


def test_a_fraction_of_the_eligible_counts_within_the_target_class():
    class CleanLabel(_Marking):
        changes_labels = False

    rows = planting.choose_rows(
        trigger(CleanLabel, poison_fraction=0.25, of="eligible"), make_view(balanced(40)).index
    )

    assert len(rows) == 10  # a quarter of the 40 of the target class
    assert {row % 10 for row in rows.tolist()} == {3}
