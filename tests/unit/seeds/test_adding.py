"""Vouching: what becomes a line, and what is refused."""

import numpy as np
import pytest

from asd.errors import DataError, ParamsError
from asd.seeds.adding import Vote, add
from asd.seeds.trusted import Vouched
from asd.types import SampleIndex

NAMES = ("cat", "dog")
CONTENT = tuple(f"{i % 5:064x}" for i in range(6))  # the last is the first once more
INDEX = SampleIndex(tuple(f"k{i}" for i in range(6)), np.array([0, 1, 0, 1, 0, 0]), CONTENT, ("s",) * 6)


def vote(label="cat", by="Ada", day="2026-01-31", **pictures):
    return Vote("pets", label, pictures, by, day)


def line(i, label="cat", by="Ada", day="2026-01-31", dataset="pets"):
    return Vouched(dataset, label, f"k{i}", CONTENT[i], by, day)


def test_a_line_holds_key_hash_label_who_and_when():
    added = add([line(1, "dog")], vote(k0=CONTENT[0], k2=None), INDEX, NAMES)

    assert added.rows == (line(0), line(2), line(1, "dog"))
    assert (added.new, added.already) == (("k0", "k2"), ())


def test_adding_again_keeps_the_first_person_and_day():
    added = add([line(0)], vote(by="Bob", day="2027-01-01", k0=None), INDEX, NAMES)

    assert (added.rows, added.new, added.already) == ((line(0),), (), ("k0",))


def test_vouching_anew_replaces_the_line_of_a_picture_that_changed():
    old = Vouched("pets", "cat", "k0", "f" * 64, "Ada", "2025-01-01")

    assert add([old], vote(by="Bob", k0=None), INDEX, NAMES).rows == (line(0, by="Bob"),)


def test_the_same_picture_of_another_data_set_is_no_twin():
    other = line(0, dataset="zoo")

    assert add([other], vote(k5=None), INDEX, NAMES).rows == (line(5), other)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (vote("cow", k0=None), ParamsError, r"no class 'cow'.* \(classes: cat, dog\)"),
        (vote(k9=None), ParamsError, "data set pets has no sample 'k9'; did you mean 'k"),
        (
            vote(k1=None),
            ParamsError,
            "k1 is labelled 'dog' in the data, not 'cat': add it with --class 'dog' if",
        ),
        (vote(k0="f" * 64), DataError, "the data has changed; make the sheets anew with `asd seeds sheet`"),
        (vote(k0=None, k5=None), ParamsError, "k5 is the same picture as k0, which is a seed"),
    ],
)
def test_what_cannot_be_a_seed_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        add([], given, INDEX, NAMES)
