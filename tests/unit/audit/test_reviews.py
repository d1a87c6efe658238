"""The review log: chained, bound to content, safe for two people at once; and the exclusions beside it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asd.audit.reviews import append_review, latest_by_content, read_reviews
from asd.errors import AsdError, DataError, ParamsError
from asd.exclusions import COLUMNS, Exclusion, read_exclusions, write_exclusions
from asd.layout import Layout
from asd.readiness import TEMPLATE

A, B = "a" * 64, "b" * 64


def say(layout: Layout, verdict: str = "poisoned", content: str = A, **other: Any) -> Any:
    given = {
        "dataset": "digits",
        "key": "train_0001",
        "content_sha256": content,
        "label": "cat",
        "run": "digits/badnets/asd/0",
        "verdict_by_person": verdict,
        "by": "Ada",
        "note": "a white square",
    }
    return append_review(layout, **{**given, **other})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_each_line_carries_the_hash_of_the_line_before(layout: Layout) -> None:
    first, second = say(layout), say(layout, "clean", B)
    lines = layout.review_log.read_bytes().splitlines(keepends=True)
    assert first.previous == "0" * 64
    assert second.previous == hashlib.sha256(lines[0]).hexdigest()
    assert read_reviews(layout.review_log) == [first, second]
    assert json.loads(lines[1]) == {
        "previous": second.previous, "at": second.at, "by": "Ada", "as": "clean", "dataset": "digits",
        "key": "train_0001", "content_sha256": B, "label": "cat", "run": "digits/badnets/asd/0",
        "note": "a white square",
    }  # fmt: skip
    assert list(json.loads(lines[1])) == sorted(json.loads(lines[1]))


def test_poisoned_excludes_the_picture_and_clean_takes_it_out_again(layout: Layout) -> None:
    review = say(layout)
    say(layout, content=B, by="Bob", note="")
    day = review.at[:10]
    assert read_exclusions(layout.exclusions) == (
        Exclusion("digits", A, "Ada", day, "a white square"),
        Exclusion("digits", B, "Bob", day, ""),
    )
    say(layout, "clean", key="another_name")  # the same picture by content
    assert [line.content_sha256 for line in read_exclusions(layout.exclusions)] == [B]
    assert latest_by_content(read_reviews(layout.review_log))[A].verdict == "clean"


def test_saying_poisoned_twice_keeps_the_first_line(layout: Layout) -> None:
    say(layout)
    say(layout, by="Bob")
    assert [line.by for line in read_exclusions(layout.exclusions)] == ["Ada"]
    assert len(read_reviews(layout.review_log)) == 2


def test_the_same_picture_in_another_data_set_stays_excluded_there(layout: Layout) -> None:
    say(layout)
    say(layout, dataset="other")
    say(layout, "clean", dataset="other")
    assert [line.dataset for line in read_exclusions(layout.exclusions)] == ["digits"]


# -- a broken chain ------------------------------------------------------------------------------


@pytest.fixture
def five(layout: Layout) -> Layout:
    for number in range(5):
        say(layout, "clean", note=f"number {number}")
    return layout


def changed(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"number 1", b"number 7"), *lines[2:]]


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (changed, 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:3], b"\n", *lines[3:]], 4),
        (lambda lines: [*lines[:4], lines[4][:-9]], 5),
        (lambda lines: [*lines[:4], b"{}\n"], 5),
        (lambda lines: [*lines[:4], b"\xff\xfe\n"], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b'"clean"', b'"good"')], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b'"Ada"', b"7")], 5),
    ],
)
def test_a_line_that_was_touched_is_named(five: Layout, tamper: Any, line: int) -> None:
    lines = five.review_log.read_bytes().splitlines(keepends=True)
    five.review_log.write_bytes(b"".join(tamper(lines)))
    before = five.review_log.read_bytes()
    with pytest.raises(DataError, match=rf"log\.jsonl line {line}:"):
        read_reviews(five.review_log)
    with pytest.raises(DataError, match=rf"log\.jsonl line {line}:"):
        say(five)
    assert five.review_log.read_bytes() == before
    assert not five.exclusions.exists() or read_exclusions(five.exclusions) == ()


def test_no_log_is_no_review(layout: Layout) -> None:
    assert read_reviews(layout.review_log) == []


# -- strangers' words ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": ""}, {"by": "A\nB"}, {"by": "x" * 81}, {"by": "\x1b[31mAda"}, {"by": "=HYPERLINK()"},
        {"by": "Ada\u202e"}, {"note": "a\nb"}, {"note": "\x1b]0;x\x07"}, {"note": "n" * 501},
        {"note": "=1+1"}, {"note": "a\u202eb"},
        {"verdict_by_person": "maybe"}, {"content_sha256": "abc"}, {"key": "../x"},
        {"key": ""}, {"run": "a\nb"}, {"dataset": ""},
    ],
)  # fmt: skip
def test_what_cannot_stand_in_the_log_is_refused_and_nothing_is_written(
    layout: Layout, wrong: dict[str, str]
) -> None:
    with pytest.raises(AsdError) as caught:
        say(layout, **wrong)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert not layout.review_log.exists()
    assert not layout.exclusions.exists()


def test_a_class_name_from_a_stranger_stays_one_ascii_line(layout: Layout) -> None:
    name = "ev\x1b[2J\u202eil\n\u2028" + "x" * 5000
    say(layout, label=name)
    whole = layout.review_log.read_bytes()
    assert whole.isascii()
    assert whole.count(b"\n") == 1
    assert b"\x1b" not in whole
    assert read_reviews(layout.review_log)[0].label == name[:1000]


def test_damaged_exclusions_stop_a_review_before_it_is_written(layout: Layout) -> None:
    layout.reviews.mkdir()
    layout.exclusions.write_text("key,why\n")
    with pytest.raises(DataError, match=r"exclusions\.csv: wanted the first line dataset,content_sha256"):
        say(layout)
    assert not layout.review_log.exists()


# -- two at once ---------------------------------------------------------------------------------

MANY = """
import sys
from pathlib import Path
from asd.audit.reviews import append_review
from asd.layout import Layout
who = sys.argv[2]
for number in range(15):
    append_review(Layout(Path(sys.argv[1])), dataset="digits", key=f"k{number}", label="cat", run="r", by=who,
                  content_sha256=f"{number:02x}" * 32, verdict_by_person="poisoned", note=f"{who} {number}")
"""


def test_two_people_at_once_lose_nothing(layout: Layout) -> None:
    people = ("Ada", "Bob", "Cyd")
    command = [sys.executable, "-c", MANY, str(layout.root)]
    processes = [subprocess.Popen([*command, who]) for who in people]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    reviews = read_reviews(layout.review_log)
    assert sorted(review.note for review in reviews) == sorted(
        f"{who} {number}" for who in people for number in range(15)
    )
    assert len(read_exclusions(layout.exclusions)) == 15


# -- exclusions.csv ------------------------------------------------------------------------------


def test_the_file_of_a_new_workspace_holds_the_first_line_alone() -> None:
    file = TEMPLATE / "exclusions.csv"
    assert file.read_text() == ",".join(COLUMNS) + "\n"
    assert read_exclusions(file) == ()
    shipped = Path(__file__).parents[3] / "reviews" / "exclusions.csv"
    assert shipped.read_bytes() == file.read_bytes()


def test_what_is_written_is_read_again_sorted(tmp_path: Path) -> None:
    file = tmp_path / "exclusions.csv"
    rows = (
        Exclusion("d", B, "Bob", "2026-01-02", 'says "no", twice'),
        Exclusion("d", A, "Ada", "2026-01-01", ""),
    )
    write_exclusions(file, rows)
    assert read_exclusions(file) == (rows[1], rows[0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("digits,abc,Ada,2026-01-01,", "line 2: content_sha256 is 'abc'"),
        (f"digits,{A},Ada,01/02/2026,", "line 2: Invalid isoformat"),
        (f"digits,{A},Ada,2026-01-01", "line 2: wanted 5 values, got 4"),
        (f",{A},Ada,2026-01-01,", "line 2: dataset is empty"),
        (f"digits,{A},,2026-01-01,", "line 2: --by ''"),
        (f"digits,{A},Ada,2026-01-01,=1", "line 2: --note"),
        (f"digits,{A},Ada,2026-01-01,\ndigits,{A},Bob,2026-01-01,", "line 3: a{64} stands there twice"),
    ],
)
def test_an_edited_line_that_is_wrong_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "exclusions.csv"
    file.write_text(",".join(COLUMNS) + "\n" + line + "\n")
    with pytest.raises(DataError, match=said):
        read_exclusions(file)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "exclusions.csv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a text file"):
        read_exclusions(file)


def test_params_errors_leave_with_exit_2_and_broken_files_with_3(layout: Layout) -> None:
    with pytest.raises(ParamsError):
        say(layout, by="")
    assert (ParamsError.exit_code, DataError.exit_code) == (2, 3)
