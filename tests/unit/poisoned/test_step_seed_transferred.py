"""The step seed with pictures of another data set: the first model, its record, and going on after a stop."""

import shutil

import numpy as np
import pytest
from PIL import Image

from asd import store
from asd.errors import DataError, ParamsError
from asd.seeds.seed_set import read_seed_set
from asd.shards.read import iter_samples
from asd.sources import set_source
from asd.steps import seed
from asd.training import transfer
from asd.training.classifier import load_classifier

TRANSFER = {
    "class_map": "map.csv",
    "per_class": 2,
    "epochs": 2,
    "iterations": 2,
    "batch": 4,
    "linear": {"batch": 32},
}
MODEL = {"use": "small_resnet", "widths": [4, 4, 8], "stem_stride": 1, "strides": [1, 2, 2]}
TRAINING = {"augment": {"pad": 1}, "threads": 1}


@pytest.fixture
def workspace(pets, tmp_path):
    """Pets with four foreign pictures each of three of their classes, and eight of wolves."""
    made = pets.planted(
        tmp_path / "w", seeds={"use": "transfer", "transfer": TRANSFER}, model=MODEL, training=TRAINING
    )
    foreign = tmp_path / "foreign"
    for number, name in enumerate(("tabby", "poodle", "barn_owl", "red_fox", "wolf")):
        (foreign / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (9, 9), (40 * number, 10 * i, 200)).save(foreign / name / f"{i}.png")
    made.layout.seeds_by_people.mkdir()
    write_map(made, "tabby,cat", "poodle,dog", "barn_owl,owl", "red_fox,fox")
    set_source(made.layout, "seeds", foreign)
    return made


def write_map(workspace, *lines):
    (workspace.layout.seeds_by_people / "map.csv").write_text("\n".join(["name,class_name", *lines]) + "\n")


def folder_of(workspace):
    return workspace.layout.seed_set("pets", "badnets", 0)


def test_there_is_a_model_and_a_domain_gap_and_no_seed(pets, workspace):
    said = pets.run(seed, workspace, pets.trial)

    found = read_seed_set(folder_of(workspace))
    assert found.keys == ()
    assert found.first(10) == ()
    assert found.extra is None
    network = load_classifier(found.init)
    assert network.class_names == pets.classes
    gap = store.read_json(folder_of(workspace) / "domain_gap.json")
    assert {name: facts["seeds"] for name, facts in gap["classes"].items()} == dict.fromkeys(pets.classes, 2)
    view = pets.merged(workspace)
    agreement = np.mean(network.predict(view.images) == view.labels)
    assert gap["agreement"] == pytest.approx(agreement, abs=0.02)
    assert "8 pictures of another data set" in said


def test_the_same_params_give_the_same_bytes_and_so_does_a_stopped_run(pets, workspace, monkeypatch):
    pets.run(seed, workspace, pets.trial)
    wanted = pets.file_bytes(folder_of(workspace))

    train, trained = transfer.train_semi_supervised, []

    def stop_in_the_second_epoch(*args):
        trained.append(args)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(*args)

    shutil.rmtree(folder_of(workspace))
    shutil.rmtree(workspace.layout.scratch)
    monkeypatch.setattr(transfer, "train_semi_supervised", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        pets.run(seed, workspace, pets.trial)
    assert not folder_of(workspace).exists()
    monkeypatch.setattr(transfer, "train_semi_supervised", train)
    said = pets.run(seed, workspace, pets.trial)

    assert "resumed after epoch 1" in said
    assert pets.file_bytes(folder_of(workspace)) == wanted


def test_a_class_map_that_leaves_a_class_empty_is_refused(pets, workspace):
    write_map(workspace, "tabby,cat", "poodle,dog", "barn_owl,owl", "arctic_fox,fox")
    with pytest.raises(DataError, match=r"has no picture for 'fox'; every class needs seeds"):
        pets.run(seed, workspace, pets.trial)
    assert not folder_of(workspace).exists()


def test_a_picture_of_the_test_split_is_refused(pets, workspace, tmp_path):
    """What the first model was trained on measures nothing."""
    tested = next(iter_samples(workspace.layout.fetched("pets", "test")))
    twin = Image.fromarray(np.ascontiguousarray(tested.image.transpose(1, 2, 0)))
    twin.save(tmp_path / "foreign" / "poodle" / "twin.png")
    set_source(workspace.layout, "seeds", tmp_path / "foreign")
    changed = pets.with_seeds(workspace, {"use": "transfer", "transfer": {**TRANSFER, "per_class": None}})
    with pytest.raises(
        DataError, match=r"^1 of 17 seed images are in the test split too, such as poodle/twin"
    ):
        pets.run(seed, changed, pets.trial)
    assert not folder_of(workspace).exists()


def test_a_class_map_outside_the_seeds_folder_is_refused(pets, workspace):
    changed = pets.with_seeds(workspace, {"use": "transfer", "transfer": {"class_map": "../map.csv"}})
    with pytest.raises(ParamsError, match=r"wanted a file below seeds/, got '\.\./map\.csv'"):
        pets.run(seed, changed, pets.trial)


def test_an_engine_param_out_of_range_is_refused(pets, workspace):
    section = {"use": "transfer", "transfer": {**TRANSFER, "engine_params": {"temperature": 0}}}
    with pytest.raises(
        ParamsError, match=r"seeds\.transfer\.engine_params\.temperature: .* greater than or equal to 0\.1"
    ):
        pets.run(seed, pets.with_seeds(workspace, section), pets.trial)


def test_no_folder_of_pictures_says_how_to_set_one(pets, tmp_path):
    workspace = pets.planted(tmp_path / "w", seeds={"use": "transfer"})
    with pytest.raises(ParamsError, match=r"seeds.use is transfer, but no folder is set: `asd source set"):
        pets.run(seed, workspace, pets.trial)
