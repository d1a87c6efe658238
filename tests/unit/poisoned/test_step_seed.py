"""The step seed: oracle, keys and folder on a small workspace."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from asd.errors import DataError, ParamsError
from asd.seeds.seed_set import read_seed_set
from asd.shards.read import iter_samples, open_view
from asd.sources import set_source
from asd.steps import seed
from asd.truth import read_truth


def test_oracle_seeds_are_not_poisoned_and_keep_their_given_labels(pets, tmp_path):
    workspace = pets.planted(tmp_path)

    pets.run(seed, workspace, pets.trial)

    seeds = read_seed_set(workspace.layout.seed_set("pets", "badnets", 0))
    poisoned = set(read_truth(workspace.layout.truth("pets", "badnets")).keys)
    labels = dict(zip(pets.merged(workspace).index.keys, pets.merged(workspace).labels.tolist(), strict=True))
    assert seeds.origin == "oracle"
    assert not poisoned.intersection(seeds.keys)
    assert seeds.labels.tolist() == [labels[key] for key in seeds.keys]


def seed_keys(pets, workspace, attack="badnets"):
    pets.run(seed, workspace, replace(pets.trial, attack=attack))
    return read_seed_set(workspace.layout.seed_set("pets", attack, 0))


def test_poisoned_seeds_take_the_first_places_of_their_class_and_no_others(pets, tmp_path):
    workspace = pets.planted(tmp_path, seeds={"for_attack": {"badnets": {"poisoned": 2}}})
    with_two = seed_keys(pets, workspace)
    without = seed_keys(pets, pets.with_seeds(workspace, {}))

    planted = set(read_truth(workspace.layout.truth("pets", "badnets")).keys)
    dogs = [key for key, label in zip(with_two.keys, with_two.labels.tolist(), strict=True) if label == 1]
    dogs_before = [
        key for key, label in zip(without.keys, without.labels.tolist(), strict=True) if label == 1
    ]
    assert len(planted.intersection(dogs)) == 2
    assert set(dogs[:2]) <= planted
    assert dogs[2:] == dogs_before[:-2]
    assert set(with_two.keys) - set(dogs) == set(without.keys) - set(dogs_before)


def test_more_poisoned_seeds_are_the_same_and_more(pets, tmp_path):
    workspace = pets.planted(tmp_path)
    planted = set(read_truth(workspace.layout.truth("pets", "badnets")).keys)
    found = [
        planted.intersection(seed_keys(pets, pets.with_seeds(workspace, {"poisoned": count})).keys)
        for count in (0, 1, 3)
    ]
    assert [len(keys) for keys in found] == [0, 1, 3]
    assert found[1] < found[2]


def test_more_poisoned_seeds_than_are_planted_are_refused(pets, tmp_path):
    workspace = pets.planted(tmp_path, seeds={"poisoned": 21})
    with pytest.raises(ParamsError, match=r"seeds.poisoned asks for 21 planted samples, but 20 are planted"):
        pets.run(seed, workspace, pets.trial)


def test_poisoned_seeds_are_no_choice_for_seeds_of_people(pets, tmp_path):
    workspace = pets.planted(tmp_path, seeds={"use": "keys", "poisoned": 1})
    with pytest.raises(ParamsError, match=r"seeds.use oracle; got 1 with keys"):
        pets.run(seed, workspace, pets.trial)


def test_seeds_for_an_attack_that_is_not_there_are_refused(pets, tmp_path):
    with pytest.raises(ParamsError, match=r"seeds.for_attack names 'badnet', but .* 'badnets'"):
        pets.planted(tmp_path, seeds={"for_attack": {"badnet": {"poisoned": 1}}})


def test_oracle_seeds_on_an_untrusted_data_set_are_refused(pets, tmp_path):
    workspace = pets.planted(tmp_path, trusted=False)

    with pytest.raises(
        ParamsError, match=r"labels of pets: pick seeds with `asd seeds sheet`, then `asd run"
    ):
        pets.run(seed, workspace, pets.trial)


def test_named_seeds_need_no_truth_and_no_trust(pets, tmp_path):
    workspace = pets.planted(tmp_path, trusted=False, seeds={"use": "keys", "keys_file": "mine.txt"})
    workspace.layout.truth("pets", "badnets").unlink()
    workspace.layout.seeds_by_people.mkdir()
    (workspace.layout.seeds_by_people / "mine.txt").write_text("".join(f"train_{i:04d}\n" for i in range(12)))

    pets.run(seed, workspace, pets.trial)

    assert len(read_seed_set(workspace.layout.seed_set("pets", "badnets", 0)).keys) == 12


def test_a_keys_file_outside_the_seeds_folder_is_refused(pets, tmp_path):
    workspace = pets.planted(tmp_path, seeds={"use": "keys", "keys_file": "../params.yaml"})

    with pytest.raises(ParamsError, match=r"wanted a file below seeds/, got '\.\./params\.yaml'"):
        pets.run(seed, workspace, pets.trial)


def test_seeds_for_some_classes_only_name_the_others_and_write_nothing(pets, tmp_path):
    workspace = pets.planted(tmp_path, seeds={"use": "keys", "keys_file": "trusted.txt"})
    workspace.layout.seeds_by_people.mkdir()
    index = pets.merged(workspace).index
    cats = [key for key, label in zip(index.keys, index.labels.tolist(), strict=True) if label == 0]
    (workspace.layout.seeds_by_people / "trusted.txt").write_text(cats[0])

    with pytest.raises(DataError, match="no seed for classes 'dog', 'owl', 'fox'"):
        pets.run(seed, workspace, pets.trial)

    assert not workspace.layout.seed_set("pets", "badnets", 0).exists()


def write_seed_images(pets, folder, count=8, start=200):
    for number in range(count):
        path = folder / pets.classes[number % 4] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 30), (start + number, 0, number)).save(path)


def test_seeds_from_a_folder_become_extra_samples_of_the_training_set(pets, tmp_path):
    write_seed_images(pets, tmp_path / "outside")
    workspace = pets.planted(tmp_path / "w", trusted=False, seeds={"use": "folder"})
    set_source(workspace.layout, "seeds", tmp_path / "outside")

    pets.run(seed, workspace, pets.trial)

    layout = workspace.layout
    seeds = read_seed_set(layout.seed_set("pets", "badnets", 0))
    view = open_view(
        layout.fetched("pets", "train"),
        overlay=layout.poisoned("pets", "badnets", "train"),
        extra=seeds.extra,
        pixel_cache=tmp_path / "pixels",
    )
    assert (len(view), view.images.shape[1:]) == (208, pets.shape)
    assert view.index.keys[200:] == tuple(f"seed_{i:06d}" for i in range(8))
    assert set(seeds.first(2)) == set(view.index.keys[200:])
    labels = dict(zip(view.index.keys, view.labels.tolist(), strict=True))
    assert seeds.labels.tolist() == [labels[key] for key in seeds.keys]


def test_a_seed_image_that_is_in_the_training_set_is_refused(pets, tmp_path):
    workspace = pets.planted(tmp_path / "w", seeds={"use": "folder"})
    write_seed_images(pets, tmp_path / "outside")
    twin = pets.merged(workspace).images[5].transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(twin)).save(tmp_path / "outside" / "dog" / "twin.png")
    set_source(workspace.layout, "seeds", tmp_path / "outside")

    with pytest.raises(DataError, match=r"dog/twin\.png \(it is train_0005 there\)"):
        pets.run(seed, workspace, pets.trial)

    assert not workspace.layout.seed_set("pets", "badnets", 0).exists()


def test_a_seed_image_that_is_in_the_test_split_is_refused(pets, tmp_path):
    workspace = pets.planted(tmp_path / "w", seeds={"use": "folder"})
    write_seed_images(pets, tmp_path / "outside")
    tested = next(s for s in iter_samples(workspace.layout.fetched("pets", "test")) if s.key == "test_0005")
    twin = Image.fromarray(np.ascontiguousarray(tested.image.transpose(1, 2, 0)))
    twin.save(tmp_path / "outside" / "owl" / "twin.png")
    set_source(workspace.layout, "seeds", tmp_path / "outside")

    named = r"^1 of 9 seed images are in the test split too, such as owl/twin\.png \(test\.bin#5 there\)"
    with pytest.raises(DataError, match=rf"{named}.*`asd source set seeds {tmp_path}/outside`"):
        pets.run(seed, workspace, pets.trial)

    assert not workspace.layout.seed_set("pets", "badnets", 0).exists()


def test_folder_seeds_without_a_folder_say_how_to_set_one(pets, tmp_path):
    workspace = pets.planted(tmp_path, seeds={"use": "folder"})

    with pytest.raises(ParamsError, match="asd source set seeds PATH"):
        pets.run(seed, workspace, pets.trial)


def test_the_same_seeds_and_trial_give_the_same_bytes(pets, tmp_path):
    workspaces = [pets.planted(tmp_path / name) for name in ("a", "b")]
    for workspace in workspaces:
        pets.run(seed, workspace, pets.trial)

    first, second = (pets.file_bytes(w.layout.seed_set("pets", "badnets", 0)) for w in workspaces)
    assert first == second
