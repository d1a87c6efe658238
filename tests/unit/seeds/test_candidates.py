"""Which pictures are shown: at random, spread over sources, the same for the same data."""

from collections import Counter

import numpy as np
import pytest

from asd.errors import ParamsError
from asd.seeds.candidates import numbered, of_sources
from asd.source_groups import source_group
from asd.types import SampleIndex

NAMES = ("cat", "dog")


def make_index(sources, labels=None, content=None):
    count = len(sources)
    return SampleIndex(
        keys=tuple(f"k{i:03d}" for i in range(count)),
        labels=np.array([0] * count if labels is None else labels, dtype=np.int64),
        content=tuple(content or (f"c{i}" for i in range(count))),
        sources=tuple(sources),
    )


INDEX = make_index([f"train.parquet#{i}" for i in range(40)], labels=[i % 2 for i in range(40)])


def test_every_sample_is_a_candidate_of_its_own_class_once():
    cats, dogs = numbered(INDEX, NAMES)

    assert sorted(cats) == list(range(0, 40, 2))
    assert sorted(dogs) == list(range(1, 40, 2))
    assert cats != sorted(cats)


def test_the_same_data_gives_the_same_numbers():
    assert numbered(INDEX, NAMES) == numbered(INDEX, NAMES)


def test_a_class_keeps_its_numbers_when_another_class_grows():
    more = make_index(
        [*INDEX.sources, "train.parquet#40"],
        labels=[*INDEX.labels.tolist(), 1],
        content=[*INDEX.content, "new"],
    )

    assert numbered(more, NAMES)[0] == numbered(INDEX, NAMES)[0]


def test_sources_take_turns_so_that_a_small_one_is_among_the_first():
    index = make_index([*(f"big.parquet#{i}" for i in range(90)), *(f"small.parquet#{i}" for i in range(10))])

    [rows] = numbered(index, ("cat",))

    first = Counter(index.sources[row].partition("#")[0] for row in rows[:20])
    assert first == {"big.parquet": 10, "small.parquet": 10}
    assert len(rows) == 100


def test_equal_pictures_are_shown_once_and_not_at_all_when_their_labels_differ():
    content = ["same", "same", "mixed", "mixed", "own"]

    cats, dogs = numbered(make_index(["f#0"] * 5, labels=[0, 0, 0, 1, 1], content=content), NAMES)

    assert (cats, dogs) == ([0], [4])


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("train.parquet#17", "train.parquet"),
        ("train/cat/0042.jpg", "train"),
        ("train/cat/vendor/0042.jpg", "train/vendor"),
        ("vendor/cat/0042.jpg", "vendor"),
        ("0042.jpg", "."),
    ],
)
def test_a_source_is_a_file_of_rows_or_a_folder_without_that_of_the_class(source, wanted):
    assert source_group(source, "cat") == wanted


def test_rows_can_be_chosen_by_source_with_globs():
    index = make_index(["a/cat/1.png", "b/cat/1.png", "c/dog/1.png"], labels=[0, 0, 1])

    assert of_sources(index, NAMES, ["a"]) == {0}
    assert of_sources(index, NAMES, ["a", "[c-z]"]) == {0, 2}
    assert of_sources(index, NAMES, []) == {0, 1, 2}


def test_an_unknown_source_is_told_the_known_ones():
    index = make_index(["vendor_a/cat/1.png", "vendor_b/cat/1.png"])

    with pytest.raises(
        ParamsError, match=r"no source 'vendora'; did you mean 'vendor_a'\? \(sources: vendor_a, vendor_b\)"
    ):
        of_sources(index, NAMES, ["vendora"])
