"""`seeds/trusted.csv`: what is written, and what an edited file is told."""

import re

import pytest

from asd.errors import DataError, ParamsError
from asd.people import checked_name
from asd.seeds.trusted import Vouched, read_trusted, write_trusted

HASH = "0123456789abcdef" * 4
CAT = Vouched("pets", "cat", "train_0001", HASH, "Ada", "2026-01-31")
DOG = Vouched("pets", "dog, small", "train_0000", HASH[::-1], 'Bob "B"', "2026-02-01")
TEXT = (
    "dataset,label,key,content_sha256,by,day\n"
    f"pets,cat,train_0001,{HASH},Ada,2026-01-31\n"
    f'pets,"dog, small",train_0000,{HASH[::-1]},"Bob ""B""",2026-02-01\n'
)


def test_the_file_is_sorted_and_the_same_lines_give_the_same_bytes(tmp_path):
    write_trusted(tmp_path / "a.csv", [DOG, CAT])
    write_trusted(tmp_path / "b.csv", [CAT, DOG])

    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text() == TEXT


def test_what_was_written_is_read_again(tmp_path):
    write_trusted(tmp_path / "t.csv", [DOG, CAT])

    assert read_trusted(tmp_path / "t.csv") == (CAT, DOG)


def test_no_file_is_no_seed(tmp_path):
    assert read_trusted(tmp_path / "t.csv") == ()


def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode() + b"\r\n")

    assert read_trusted(tmp_path / "t.csv") == (CAT, DOG)


EDITS = {
    "another first line": ("dataset,label", "data,label", "wanted the first line dataset,label,key,"),
    "a value too few": (",Ada,2026-01-31", ",Ada", "line 2: wanted 6 values, got 5"),
    "a hash cut short": (HASH, HASH[:10], "line 2: content_sha256 is '0123456789', wanted 64 hex digits"),
    "a day of a spreadsheet": ("2026-01-31", "31.01.2026", "line 2: day is '31.01.2026', wanted one like 20"),
    "nobody": ("Ada", " ", "line 2: by is empty"),
    "a sample twice": ('"dog, small",train_0000', "cat,train_0001", "line 3: train_0001 stands there twice"),
    "a merge of git": ("pets,cat", "<<<<<<< HEAD\npets,cat", "line 2: wanted 6 values, got 1"),
    "an open quote": ("Ada", '"Ada', "line 3: wanted 6 values, got 10"),
}


@pytest.mark.parametrize(("old", "new", "message"), EDITS.values(), ids=EDITS)
def test_an_edited_file_is_refused_with_the_line(tmp_path, old, new, message):
    (tmp_path / "t.csv").write_text(TEXT.replace(old, new))

    with pytest.raises(DataError, match=message):
        read_trusted(tmp_path / "t.csv")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(DataError, match="not a text file"):
        read_trusted(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "=1+1", "@ada", "x" * 81])
def test_a_name_that_does_not_fit_a_cell_is_refused(name):
    with pytest.raises(ParamsError, match=re.escape("wanted your name, one line of 1 to 80 letters")):
        checked_name(name)


def test_a_name_loses_the_blanks_around_it():
    assert checked_name(" Ada Lovelace ") == "Ada Lovelace"
