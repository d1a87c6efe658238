"""The numbers on the sheets: how they are written and what they stand for."""

import pytest

from asd.errors import ParamsError
from asd.seeds.numbers import Shown, parse_numbers, pick, read_numbers, write_numbers

SHOWN = (
    Shown("cat, big", 1, "k1", "a" * 64),
    Shown("cat, big", 4, "k4", "b" * 64),
    Shown("dog", 1, "d1", "c"),
)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["3,7,12"], [3, 7, 12]),
        (["3-6"], [3, 4, 5, 6]),
        (["7", "3-4,", "3"], [3, 4, 7]),
        (["1, 2"], [1, 2]),
        ([], []),
    ],
)
def test_numbers_and_ranges_come_sorted_and_once(words, wanted):
    assert parse_numbers(words) == wanted


@pytest.mark.parametrize("word", ["x", "0", "9-3", "-3", "3-", "1.5", "1-99999999", "²"])
def test_what_is_no_number_is_refused(word):
    with pytest.raises(ParamsError, match=r"is no number of a picture; write them like 3,7,12 or 3-9"):
        parse_numbers([word])


def test_what_was_written_is_read_again(tmp_path):
    write_numbers(tmp_path, SHOWN)

    assert read_numbers(tmp_path) == SHOWN


def test_numbers_count_within_the_class(tmp_path):
    assert pick(SHOWN, "dog", [1]) == [SHOWN[2]]


def test_a_number_that_is_not_on_the_sheet_is_refused():
    with pytest.raises(ParamsError, match=r"class 'cat, big' has no number 2, 3 \(it shows 2, 1 to 4\)"):
        pick(SHOWN, "cat, big", [1, 2, 3])


def test_a_class_without_a_sheet_is_told_so():
    with pytest.raises(ParamsError, match="it is empty"):
        pick(SHOWN, "owl", [1])


@pytest.mark.parametrize("text", ["", "a,b\n", "class,number,key,content_sha256\ncat,one,k,h\n"])
def test_a_changed_file_says_how_to_make_it_anew(tmp_path, text):
    (tmp_path / "numbers.csv").write_text(text)

    with pytest.raises(ParamsError, match="was changed; `asd seeds sheet` makes it anew"):
        read_numbers(tmp_path)
