"""The step seed with `sift`: seeds out of poisoned data, on made-up pictures with a patch attack."""

from dataclasses import replace

import numpy as np
import pytest

from asd import store
from asd.bench.sift import measure
from asd.errors import ParamsError
from asd.rng import numpy_generator
from asd.seeds.seed_set import SIGNALS, read_seed_set
from asd.shards.manifest import read_manifest
from asd.shards.write import write_shards
from asd.steps import poison, prepare, seed
from asd.truth import read_truth
from asd.types import Sample

CLASSES = ("cat", "dog", "owl", "fox")
EACH = 100
SIFT = {"accept_risk": True, "patches": 32, "per_class": 10, "pool": 20}


def stripes(count):
    """Stripes of a direction for each class, with noise and a colour that mean nothing."""
    generator = numpy_generator(0, "stripes")
    rows, columns = np.indices((32, 32))
    for number in range(count):
        angle = np.pi * (number % 4) / 4 + generator.normal(0, 0.15)
        along = rows * np.cos(angle) + columns * np.sin(angle)
        wave = 50 * np.sin(along * generator.uniform(0.7, 0.9) + generator.uniform(0, 6))
        colour = generator.uniform(80, 170, (3, 1, 1))
        picture = colour + wave + generator.normal(0, 15, (3, 32, 32))
        yield Sample(
            f"train_{number:04d}", picture.clip(0, 255).astype(np.uint8), number % 4, f"made#{number}"
        )


def write(folder, samples):
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name="pets",
            split="train",
            class_names=CLASSES,
            image_shape=(3, 32, 32),
            trusted=False,
        )


@pytest.fixture
def sifting(pets, tmp_path):
    """A workspace in whose class dog a third is poisoned."""
    attack = {"patch": "checker", "size": 5, "row": 2, "column": 2, "poison_fraction": 0.12}
    workspace = pets.make_workspace(
        tmp_path / "w", trusted=False, attack=attack, seeds={"use": "sift", "sift": SIFT}
    )
    write(workspace.layout.fetched("pets", "train"), stripes(4 * EACH))
    write(workspace.layout.fetched("pets", "test"), stripes(8))
    pets.run(prepare, workspace, pets.attack)
    pets.run(poison, workspace, pets.attack)
    return workspace


def folder_of(workspace, trial=0):
    return workspace.layout.seed_set("pets", "badnets", trial)


def test_no_poisoned_picture_is_chosen_and_the_reasons_are_written(pets, sifting):
    said = pets.run(seed, sifting, pets.trial)

    seeds = read_seed_set(folder_of(sifting))
    truth = read_truth(sifting.layout.truth("pets", "badnets"))
    assert len(truth.keys) == 48
    assert not set(truth.keys).intersection(seeds.keys)
    assert (seeds.origin, np.bincount(seeds.labels).tolist()) == ("sift", [10, 10, 10, 10])
    assert "nobody vouches for them" in seeds.note
    assert "40 samples that nobody vouches for" in said
    signals = store.read_parquet(folder_of(sifting) / SIGNALS).to_pydict()
    assert tuple(signals["key"]) == seeds.keys
    assert signals["rank"] == seeds.ranks.tolist()
    parts = zip(*(signals[f"agreeing_{name}"] for name in ("as_given", "blurred", "detail")), strict=True)
    assert [sum(part) for part in parts] == signals["agreeing"]
    assert set(signals["views"]) == {27}
    assert signals["passed"] == [
        not sure and 2 * agreeing >= 27
        for sure, agreeing in zip(signals["too_sure"], signals["agreeing"], strict=True)
    ]
    (found,) = measure(sifting, [], ["badnets"], 1, lambda text: None)
    assert (found.planted, found.share, found.holds) == (48, pytest.approx(48 / 148), True)
    assert [(one.least, one.poisoned, one.poisoned_listed) for one in found.trials] == [(10, 0, 0)]


def test_the_truth_is_not_needed_and_equal_params_give_equal_bytes(pets, sifting):
    pets.run(seed, sifting, pets.trial)
    first = pets.file_bytes(folder_of(sifting))
    sifting.layout.truth("pets", "badnets").unlink()
    pets.run(seed, sifting, pets.trial)
    assert pets.file_bytes(folder_of(sifting)) == first


@pytest.mark.slow
def test_the_order_of_the_samples_plays_no_part_but_the_trial_does(pets, sifting):
    item = replace(pets.trial, attack="none")
    layout = sifting.layout
    chosen = []
    for order in (1, -1):
        write(layout.fetched("pets", "train"), list(stripes(160))[::order])
        pets.run(prepare, sifting, pets.no_attack)
        pets.run(poison, sifting, pets.no_attack)
        pets.run(seed, sifting, item)
        chosen.append(pets.file_bytes(layout.seed_set("pets", "none", 0)))
    assert read_manifest(layout.fetched("pets", "train")).count == 160
    assert chosen[0] == chosen[1]
    pets.run(seed, sifting, replace(item, trial=1))
    one, other = (set(read_seed_set(layout.seed_set("pets", "none", trial)).keys) for trial in (0, 1))
    assert one != other


def test_a_picture_with_two_labels_or_a_copy_is_no_second_seed_and_a_small_class_says_so(pets, sifting):
    samples = list(stripes(160))
    foxes = [sample for sample in samples if sample.label == 3]
    doubtful = replace(foxes[0], key="train_8000", label=0)  # a fox that is a cat, too
    copies = [replace(foxes[n], key=f"train_90{n:02d}") for n in range(1, 9)]
    others = [sample for sample in samples if sample.label != 3]
    write(sifting.layout.fetched("pets", "train"), [*others, *foxes[:9], doubtful, *copies])
    pets.run(prepare, sifting, pets.no_attack)
    pets.run(poison, sifting, pets.no_attack)
    said = pets.run(seed, sifting, replace(pets.trial, attack="none"))
    seeds = read_seed_set(sifting.layout.seed_set("pets", "none", 0))
    labels = dict(zip(seeds.keys, seeds.labels.tolist(), strict=True))
    assert {key for key, label in labels.items() if label == 3} == {fox.key for fox in foxes[1:9]}
    assert "class 'fox' has 8 different pictures, so 8 seeds, not 10" in said
    assert doubtful.key not in labels


def test_without_the_accepted_risk_nothing_is_sifted(pets, sifting):
    refused = pets.with_seeds(sifting, {"use": "sift", "sift": SIFT | {"accept_risk": False}})
    with pytest.raises(
        ParamsError, match=r"^sifted seeds are experimental: .*`asd run --accept-risk`"
    ) as got:
        pets.run(seed, refused, pets.trial)
    assert got.value.exit_code == 2
    assert "\n" not in str(got.value)
    assert not folder_of(sifting).exists()
