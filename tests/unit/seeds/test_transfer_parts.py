"""Pieces of transferred seeds that need no training: class map, choice of pictures, domain gap."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.errors import DataError, ParamsError
from asd.seeds.class_map import check_class_map, read_class_map
from asd.seeds.domain_gap import Looked, below_chance, domain_gap
from asd.seeds.images import Naming, load_seed_images
from asd.steps._transferred_seeds import _taken
from asd.types import Sample

CLASSES = ("cat", "dog")


def write(path, *lines):
    path.write_text("\n".join(["name,class_name", *lines]) + "\n")
    return path


def test_a_class_map_gives_the_class_here(tmp_path):
    path = write(tmp_path / "map.csv", "n02,cat", "n01,cat", "n09,dog")
    assert read_class_map(path, CLASSES) == {"n01": "cat", "n02": "cat", "n09": "dog"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["n01,cat"], "no line stands for 'dog'; every class needs seeds"),
        (
            ["n01,cat", "n02,dgo"],
            "class_name is 'dgo', which is no class of the data set; did you mean 'dog'",
        ),
        (["n01,cat", "n01,dog"], "n01"),
        ([",cat", "n01,dog"], "name is empty"),
    ],
)
def test_a_class_map_that_does_not_fit_is_refused(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_class_map(write(tmp_path / "map.csv", *lines), CLASSES)


def test_a_class_map_that_is_not_there_says_what_to_write(tmp_path):
    with pytest.raises(DataError, match="write lines name,class_name into it"):
        read_class_map(tmp_path / "map.csv", CLASSES)


def png(value):
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def test_pictures_go_by_the_column_and_the_class_map_and_others_are_left_out(tmp_path):
    table = pa.table(
        {
            "img": [{"bytes": png(value), "path": None} for value in (10, 20, 30)],
            "label": [0, 0, 0],
            "wnid": ["n09", "n05", "n01"],
        }
    )
    pq.write_table(table, tmp_path / "seeds.parquet")
    naming = Naming("wnid", {"n01": "cat", "n09": "dog"})

    found = list(load_seed_images(tmp_path, CLASSES, (3, 4, 4), naming))

    assert [(sample.label, sample.source, int(sample.image[0, 0, 0])) for sample in found] == [
        (1, "seeds.parquet#0", 10),
        (0, "seeds.parquet#2", 30),
    ]


def test_folders_go_by_the_class_map_too(tmp_path):
    for name, value in (("n09", 10), ("n05", 20), ("n01", 30)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(png(value))

    found = list(load_seed_images(tmp_path, CLASSES, (3, 4, 4), Naming(None, {"n01": "cat", "n09": "dog"})))

    assert [(sample.label, sample.source) for sample in found] == [(0, "n01/a.png"), (1, "n09/a.png")]


def test_so_many_of_each_class_are_drawn_and_all_where_there_are_fewer():
    samples = [Sample(f"seed_{i}", np.zeros((1, 1, 1), np.uint8), int(i > 6), str(i)) for i in range(10)]
    taken = _taken(samples, 4, 2, seed=1)
    assert [sum(sample.label == label for sample in taken) for label in (0, 1)] == [4, 3]
    assert taken == sorted(taken, key=lambda sample: sample.key)
    assert taken == _taken(samples, 4, 2, seed=1)
    assert len({tuple(s.key for s in _taken(samples, 4, 2, seed=seed)) for seed in range(8)}) > 1
    assert _taken(samples, None, 2, seed=1) == samples


def looked(rows):
    """Samples as (x, y, predicted, label)."""
    array = np.array(rows, dtype=np.float32)
    return Looked(array[:, :2], array[:, 2].astype(np.int64), array[:, 3].astype(np.int64))


def test_the_domain_gap_by_hand():
    # the centre of the training features is (0, 0); cats lie at (1, 0), dogs at (-1, 0)
    train = looked([(1, 0, 0, 0), (1, 0, 1, 0), (-1, 0, 1, 1), (-1, 0, 0, 1)])
    # seeds of cats lie straight up, at a right angle to both; those of dogs where dogs are, twice as far
    seeds = looked([(0, 3, 0, 0), (-2, 0, 1, 1)])

    gap = domain_gap(seeds, train, CLASSES, np.array([0, 1]))

    assert gap["agreement"] == 0.5
    assert gap["accuracy"] == 0.5
    assert gap["classes"]["cat"]["agreement"] == 0.5
    assert gap["classes"]["cat"]["accuracy"] == 0.5
    assert gap["classes"]["cat"]["feature_distance"] == 1.0
    assert gap["classes"]["dog"] == {
        "seeds": 1,
        "agreement": 0.5,
        "accuracy": None,
        "vouched": 0,
        "feature_distance": 0.0,
        "nearest": "dog",
    }
    assert below_chance(gap) == []


def test_a_class_below_chance_is_warned_of():
    train = looked([(1, 0, 1, 0), (1, 0, 1, 0), (-1, 0, 1, 1), (-1, 0, 1, 1)])
    seeds = looked([(-1, 0, 1, 0), (-1, 0, 1, 1)])
    (warning,) = below_chance(domain_gap(seeds, train, CLASSES, np.zeros(0, dtype=np.int64)))
    assert warning.startswith("cat: agreement 0% is below chance (50%)")
    assert warning.endswith("(their features lie nearest to dog)")


def test_a_class_that_its_features_fit_is_not_said_to_lie_nearest_to_itself():
    gap = {"chance": 0.5, "classes": {"cat": {"accuracy": 0.1, "agreement": 0.9, "nearest": "cat"}}}
    assert below_chance(gap) == ["cat: accuracy 10% is below chance (50%); its seeds do not fit the data"]


def test_a_class_map_that_is_nowhere_is_refused_and_one_of_ours_is_found(tmp_path):
    check_class_map(None, tmp_path)
    check_class_map("cifar10_from_imagenet_all.csv", tmp_path)
    with pytest.raises(ParamsError, match=r"^seeds\.transfer\.class_map: no file seeds/map\.csv; "):
        check_class_map("map.csv", tmp_path)
