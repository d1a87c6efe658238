"""What people would not vouch for, beside what they do."""

import numpy as np
import pytest

from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.seeds.rejecting import Training, accept, read_rejects, reject, withdraw
from asd.seeds.trusted import read_trusted
from asd.types import SampleIndex

NAMES = ("cat", "dog")


def content(number):
    return f"{number:064x}"


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def ada():
    """Samples k0 to k5; even ones are given as cat, odd ones as dog."""
    keys = tuple(f"k{i}" for i in range(6))
    index = SampleIndex(
        keys, np.arange(6) % 2, tuple(map(content, range(6))), tuple(f"a/{k}.png" for k in keys)
    )
    return Training("pets", NAMES, index, "Ada")


def test_a_reject_is_remembered_with_who_and_why(layout, ada):
    reject(layout, ada, "k0", content(0), note=" a  white\tcorner ")
    (line,) = read_rejects(layout.seed_rejects)
    assert (line.dataset, line.label, line.key, line.content_sha256) == ("pets", "cat", "k0", content(0))
    assert (line.by, line.note, line.right_class) == ("Ada", "a white corner", "")


def test_a_wrong_label_is_remembered_with_the_right_one(layout, ada):
    reject(layout, ada, "k0", content(0), right_class="dog")
    assert [line.right_class for line in read_rejects(layout.seed_rejects)] == ["dog"]
    assert not layout.trusted_seeds.exists()


def test_whoever_rejects_a_seed_takes_it_out(layout, ada):
    accept(layout, ada, "k0", content(0))
    accept(layout, ada, "k1", content(1))
    reject(layout, ada, "k0", content(0))
    assert [row.key for row in read_trusted(layout.trusted_seeds)] == ["k1"]


def test_whoever_accepts_a_reject_takes_that_back(layout, ada):
    reject(layout, ada, "k0", content(0))
    reject(layout, ada, "k2", content(2))
    accept(layout, ada, "k0", content(0))
    assert [line.key for line in read_rejects(layout.seed_rejects)] == ["k2"]
    assert [(row.key, row.label) for row in read_trusted(layout.trusted_seeds)] == [("k0", "cat")]


def test_the_last_word_counts(layout, ada):
    reject(layout, ada, "k0", content(0), right_class="dog")
    reject(layout, ada, "k0", content(0), note="blurred")
    assert [(line.right_class, line.note) for line in read_rejects(layout.seed_rejects)] == [("", "blurred")]


def test_withdrawing_forgets_both(layout, ada):
    accept(layout, ada, "k0", content(0))
    reject(layout, ada, "k1", content(1))
    withdraw(layout, ada, "k0", content(0))
    withdraw(layout, ada, "k1", content(1))
    assert read_trusted(layout.trusted_seeds) == ()
    assert read_rejects(layout.seed_rejects) == ()


@pytest.mark.parametrize("act", [accept, reject, withdraw])
def test_another_picture_than_was_shown_is_refused(layout, ada, act):
    with pytest.raises(DataError, match="not the one that was shown"):
        act(layout, ada, "k0", content(1))
    with pytest.raises(ParamsError, match="no sample 'k9'"):
        act(layout, ada, "k9", content(0))
    assert not layout.trusted_seeds.exists()
    assert not layout.seed_rejects.exists()


@pytest.mark.parametrize(
    ("right", "note", "words"),
    [("cat", "", "already"), ("dgo", "", "did you mean 'dog'"), ("", "x" * 501, "501 letters")],
)
def test_what_makes_no_sense_is_refused(layout, ada, right, note, words):
    with pytest.raises(ParamsError, match=words):
        reject(layout, ada, "k0", content(0), right_class=right, note=note)
    assert not layout.seed_rejects.exists()


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"dataset": 1}'])
def test_a_damaged_line_is_named(layout, ada, line):
    reject(layout, ada, "k0", content(0))
    with layout.seed_rejects.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DataError, match="line 2"):
        read_rejects(layout.seed_rejects)
