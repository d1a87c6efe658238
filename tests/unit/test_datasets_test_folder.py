"""`test: folder`: a test set that somebody vouches for, beside data of strangers."""

import io
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from asd.cli import main
from asd.datasets import imagefolder
from asd.errors import DataError, ParamsError
from asd.params import load_workspace
from asd.progress import Reporter
from asd.shards.manifest import read_manifest
from asd.shards.read import iter_samples
from asd.sources import set_source
from asd.steps import StepItem, fetch


def paint(path, colour, size=(6, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def data(tmp_path):
    """Training data without a test split, and a test set; classes cats and dogs."""
    for number, name in enumerate(("cats", "dogs")):
        for i in range(5):
            paint(tmp_path / "data" / name / f"{i}.png", (i, number, 0))
        for i in range(2):
            paint(tmp_path / "mine" / name / f"{i}.png", (100 + i, number, 0))
    return tmp_path


def make(root, data, place="mine", own=True, **section):
    section = {"use": "imagefolder", "test": "folder"} | section
    params = {
        "cells": {"datasets": ["pets"], "attacks": ["none"], "defenses": ["none"]},
        "datasets": {"pets": section},
        "attacks": {"none": {}},
        "defenses": {"none": {}},
    }
    root.mkdir(exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_text("stages: {}\n")
    workspace = load_workspace(root)
    if own:
        set_source(workspace.layout, "pets", data / "data")
    if place:
        set_source(workspace.layout, "pets.test", data / place)
    return workspace


def run(workspace):
    fetch.run(workspace, StepItem("pets"), Reporter("fetch", "pets", io.StringIO()))
    folders = [workspace.layout.fetched("pets", split) for split in ("train", "test")]
    return [list(iter_samples(folder)) for folder in folders]


def test_all_data_are_for_training_and_the_folder_is_the_test_split(data):
    workspace = make(data / "w", data)
    train, test = run(workspace)
    assert len(train) == 10
    assert [(s.source, s.label) for s in test] == [
        ("cats/0.png", 0),
        ("cats/1.png", 0),
        ("dogs/0.png", 1),
        ("dogs/1.png", 1),
    ]
    assert test[1].image[0, 0, 0] == 101


def test_the_test_set_is_trusted_and_the_data_are_not(data):
    workspace = make(data / "w", data)
    run(workspace)
    trusted = [read_manifest(workspace.layout.fetched("pets", split)).trusted for split in ("train", "test")]
    assert trusted == [False, True]


def test_pictures_take_the_size_of_the_training_data(data):
    paint(data / "mine" / "cats" / "9.png", (200, 0, 0), size=(30, 20))
    _, test = run(make(data / "w", data, image_size=4))
    assert {s.image.shape for s in test} == {(3, 4, 4)}


def test_a_test_split_of_the_source_is_used_for_nothing(data):
    for split in ("train", "test"):
        for i in range(3):
            paint(data / "both" / split / "cats" / f"{i}.png", (i, 5 if split == "test" else 6, 0))
            paint(data / "both" / split / "dogs" / f"{i}.png", (i, 7 if split == "test" else 8, 0))
    workspace = make(data / "w", data)
    set_source(workspace.layout, "pets", data / "both")
    train, test = run(workspace)
    assert {s.source.partition("/")[0] for s in train} == {"train"}
    assert len(test) == 4


def test_a_parquet_file_is_read_by_the_names_of_its_classes(data):
    rows = [
        {"image": {"bytes": (data / "mine" / name / "1.png").read_bytes()}, "label": name}
        for name in ("dogs", "cats")
    ]
    (data / "parquet").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), data / "parquet" / "anything.parquet")
    _, test = run(make(data / "w", data, place="parquet"))
    assert [(s.label, s.image[1, 0, 0]) for s in test] == [(1, 1), (0, 0)]


def test_numbers_in_parquet_go_by_the_names_of_the_hub(data):
    picture = {"bytes": (data / "mine" / "dogs" / "0.png").read_bytes()}
    note = {"info": {"features": {"label": {"names": ["dogs", "cats"], "_type": "ClassLabel"}}}}
    table = pa.Table.from_pylist([{"img": picture, "label": 0}])
    table = table.replace_schema_metadata({"huggingface": json.dumps(note)})
    pq.write_table(table, data / "test.parquet")
    _, test = run(make(data / "w", data, place="test.parquet"))
    assert [s.label for s in test] == [1]


def test_built_in_data_may_have_a_test_set_of_their_own(data):
    for name in "0123456789":
        grey = np.full((16, 16), 10 * int(name) + 1, np.uint8)
        (data / "digits" / name).mkdir(parents=True)
        Image.fromarray(grey).save(data / "digits" / name / "a.png")
    workspace = make(data / "w", data, place="digits", own=False, use="digits", limit=20)
    train, test = run(workspace)
    assert (len(train), len(test), test[3].label) == (20, 10, 3)


def test_a_picture_that_is_training_data_too_is_named_and_nothing_is_written(data):
    paint(data / "mine" / "cats" / "copy.png", (3, 1, 0))
    workspace = make(data / "w", data)
    named = (
        r"^the test set of pets: 1 .* cats/copy\.png \(there dogs/3\.png\); .*`asd source set pets\.test /"
    )
    with pytest.raises(DataError, match=named):
        run(workspace)
    assert not workspace.layout.fetched("pets", "test").exists()


def test_many_duplicates_are_counted_and_the_first_named(data):
    for i in range(5):
        paint(data / "mine" / "cats" / f"copy{i}.png", (i, 0, 0))
    with pytest.raises(DataError, match=r"^the test set of pets: 5 of 9 pictures .* and 2 more; "):
        run(make(data / "w", data))


def test_a_class_that_the_data_have_not_is_named_with_the_nearest(data):
    paint(data / "mine" / "cat" / "0.png", (99, 0, 0))
    with pytest.raises(
        DataError,
        match=r"^the test set of pets: cat/0\.png is of class 'cat'.*did you mean 'cats'.*"
        rf"\(they have: cats, dogs\); mend it, then `asd source set pets\.test {data}/mine`$",
    ):
        run(make(data / "w", data))


def test_a_picture_in_no_class_folder_is_refused(data):
    paint(data / "mine" / "0.png", (99, 0, 0))
    with pytest.raises(DataError, match="lies in no class folder"):
        run(make(data / "w", data))


def test_a_picture_of_another_size_is_refused_where_nothing_says_how_to_make_it_fit(data):
    for name in ("cats", "dogs"):
        for i in range(5):
            paint(data / "data" / name / f"{i}.png", (i, 0, 7), size=(8, 6))
    with pytest.raises(DataError, match="is 6x6, the training data are 8x6"):
        run(make(data / "w", data))


def test_without_a_place_the_command_is_named(data):
    with pytest.raises(ParamsError, match=r"asd source set pets\.test PATH"):
        run(make(data / "w", data, place=None))


@pytest.mark.parametrize("test", ["folder", "published"])
def test_another_test_set_and_held_out_contradict_each_other(data, test):
    with pytest.raises(ParamsError, match=f"test: {test} and held_out contradict each other"):
        run(make(data / "w", data, test=test, held_out=0.2))


def test_held_out_takes_a_tenth_where_no_share_is_given():
    params = imagefolder.Params(test="held_out")
    assert (params.test, params.held_out) == ("held_out", 0.1)


def test_a_share_says_held_out_by_itself():
    params = imagefolder.Params(held_out=0.3)
    assert (params.test, params.held_out) == ("held_out", 0.3)
    assert (imagefolder.Params().test, imagefolder.Params().held_out) == ("published", None)


def test_data_with_a_published_test_split_hold_nothing_out(data):
    with pytest.raises(ParamsError, match="for data without a published test split"):
        make(data / "w", data, use="digits", test="held_out").variant("datasets", "pets")


def test_held_out_pictures_are_untrusted_and_not_trained_on(data):
    for i in range(100):
        paint(data / "data" / "cats" / f"more{i}.png", (i, 9, 9))
    workspace = make(data / "w", data, place=None, test="held_out")
    train, test = run(workspace)
    assert (len(train) + len(test), 0 < len(test) < 30) == (110, True)
    assert not {s.source for s in train} & {s.source for s in test}
    assert not read_manifest(workspace.layout.fetched("pets", "test")).trusted


def test_a_class_without_test_pictures_is_counted_and_named(data):
    for i in range(2):
        (data / "mine" / "dogs" / f"{i}.png").unlink()
    workspace = make(data / "w", data)
    out = io.StringIO()
    fetch.run(workspace, StepItem("pets"), Reporter("fetch", "pets", out))
    assert "WARNING: the test set has no picture of 1 of 2 classes (dogs)" in out.getvalue()
    assert [s.label for s in iter_samples(workspace.layout.fetched("pets", "test"))] == [0, 0]


def test_a_full_test_set_gives_no_warning(data):
    out = io.StringIO()
    fetch.run(make(data / "w", data), StepItem("pets"), Reporter("fetch", "pets", out))
    assert "WARNING" not in out.getvalue()


def test_a_picture_that_cannot_be_read_is_named_and_nothing_is_written(data):
    (data / "mine" / "cats" / "broken.png").write_bytes(b"no picture")
    workspace = make(data / "w", data)
    with pytest.raises(
        DataError,
        match=r"^the test set of pets: broken image test_\w+ \(cats/broken\.png\): not a PNG.*; mend it, ",
    ):
        run(workspace)
    assert not workspace.layout.fetched("pets", "train").exists()


def test_pictures_take_the_colours_of_the_training_data(data):
    _, test = run(make(data / "w", data, channels=1))
    # (100, 0, 0): luma 0.299 * 100
    assert (test[0].image.shape, test[0].image[0, 0, 0]) == ((1, 6, 6), 30)


def test_numbers_in_parquet_are_names_where_the_classes_are_numbers(data):
    for name in ("1", "2", "10"):
        paint(data / "numbers" / name / "0.png", (int(name), 0, 0))
    picture = {"bytes": (data / "mine" / "dogs" / "0.png").read_bytes()}
    pq.write_table(pa.Table.from_pylist([{"img": picture, "label": 2}]), data / "test.parquet")
    workspace = make(data / "w", data, place="test.parquet")
    set_source(workspace.layout, "pets", data / "numbers")
    _, test = run(workspace)
    assert read_manifest(workspace.layout.fetched("pets", "test")).class_names == ("1", "10", "2")
    assert [s.label for s in test] == [2]


def test_of_parquet_with_a_test_split_that_split_is_read(data):
    (data / "hub").mkdir()
    for split, name in (("train", "cats"), ("test", "dogs")):
        picture = {"bytes": (data / "mine" / name / "0.png").read_bytes()}
        table = pa.Table.from_pylist([{"img": picture, "label": name}])
        pq.write_table(table, data / "hub" / f"{split}.parquet")
    _, test = run(make(data / "w", data, place="hub"))
    assert [(s.label, s.source) for s in test] == [(1, "test.parquet#0")]


def test_a_class_may_be_called_test(data):
    for i in range(3):
        paint(data / "data" / "test" / f"{i}.png", (i, 9, 0))
    train, _ = run(make(data / "w", data))
    assert {s.label for s in train} == {0, 1, 2}


def test_the_command_that_names_the_place_sets_the_params_too(data, capsys):
    workspace = make(data / "w", data, place=None, test="held_out", held_out=0.2)
    words = ["source", "set", "pets.test", str(data / "mine"), "--workspace", str(workspace.layout.root)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "pets.test comes from" in out
    assert "+    test: folder" in out
    params = load_workspace(workspace.layout.root).params.datasets["pets"]
    assert (params["test"], params["held_out"]) == ("folder", None)
    _, test = run(load_workspace(workspace.layout.root))
    assert len(test) == 4


def spoil(data, kind):
    """A test set that fetch would refuse."""
    place = data / "mine"
    if kind == "unknown class":
        paint(place / "cat" / "0.png", (99, 0, 0))
    elif kind == "no class folders":
        place = place / "cats"
    elif kind == "broken picture":
        (place / "dogs" / "1.png").write_bytes(b"no picture")
    elif kind == "no pictures":
        place = data / "notes.txt"
        place.write_text("hello")
    return place


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "unknown class",
            r"cat/0\.png is of class 'cat', .*; did you mean 'cats'\? \(they have: cats, dogs\)",
        ),
        (
            "no class folders",
            r".*/cats/0\.png lies in no class folder \(wanted Parquet, or a folder a class\)",
        ),
        ("broken picture", r"broken image dogs/1\.png: not a PNG, .*"),
        ("no pictures", r".*/notes\.txt cannot be read as Parquet: .*"),
    ],
)
def test_a_bad_test_set_is_refused_before_anything_depends_on_it(data, capsys, kind, said):
    root = make(data / "w", data, place=None, test="published", class_names=["cats", "dogs"]).layout.root
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    place = spoil(data, kind)
    assert main(["source", "set", "pets.test", str(place), "--workspace", str(root)]) == 3
    error = [line for line in capsys.readouterr().err.splitlines() if "pictures" not in line]
    mend = rf"; mend it, then `asd source set pets\.test {place}`"
    assert re.fullmatch(rf"asd: the test set of pets: {said}{mend}", error[-1])
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_without_named_classes_any_class_of_a_test_set_is_taken_until_fetch(data):
    root = make(data / "w", data, place=None, test="published").layout.root
    paint(data / "mine" / "birds" / "0.png", (99, 0, 0))
    assert main(["source", "set", "pets.test", str(data / "mine"), "--workspace", str(root)]) == 0
    rows = [
        {"image": {"bytes": (data / "mine" / "dogs" / "1.png").read_bytes()}, "label": label}
        for label in (7, 12)
    ]
    pq.write_table(pa.Table.from_pylist(rows), data / "test.parquet")
    assert main(["source", "set", "pets.test", str(data / "test.parquet"), "--workspace", str(root)]) == 0


def test_a_test_set_of_no_data_set_is_refused(data, capsys):
    workspace = make(data / "w", data, place=None)
    words = ["source", "set", "petz.test", str(data / "mine"), "--workspace", str(workspace.layout.root)]
    assert main(words) == 2
    assert "no data set 'petz.test'" in capsys.readouterr().err


def test_the_command_adds_the_section_of_a_data_set_that_params_do_not_name_yet(data):
    root = make(data / "w", data, place=None).layout.root
    assert main(["source", "set", "imagefolder.test", str(data / "mine"), "--workspace", str(root)]) == 0
    assert load_workspace(root).params.datasets["imagefolder"] == {"use": "imagefolder", "test": "folder"}
