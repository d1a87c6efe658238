"""A log notices every change but one: lines missing at its end."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from asd.audit.chain import START, append_line, head, hold_chain, read_chain
from asd.errors import BusyError, DataError

ADDER = """
import sys
from pathlib import Path
from asd.audit.chain import append_line
for number in range(20):
    append_line(Path(sys.argv[1]), {"by": sys.argv[2], "number": number})
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "reviews" / "log.jsonl"
    for word in ("one", "two", "three"):
        append_line(path, {"note": word, "by": "Ada"})
    return path


def test_each_line_names_the_hash_of_the_line_before(log: Path) -> None:
    first, second, third = log.read_bytes().splitlines(keepends=True)
    assert first == b'{"by": "Ada", "note": "one", "previous": "%s"}\n' % (b"0" * 64)
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()
    assert json.loads(third)["previous"] == hashlib.sha256(second).hexdigest()
    links = read_chain(log)
    assert [link.value for link in links] == [{"by": "Ada", "note": w} for w in ("one", "two", "three")]
    assert head(links) == hashlib.sha256(third).hexdigest()


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_chain(tmp_path / "none.jsonl") == []
    assert head([]) == START == "0" * 64


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"two", b"2wo"), lines[2]], 3),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [*lines, lines[2]], 4),
        (lambda lines: [lines[0], b"\n", *lines[1:]], 2),
        (lambda lines: [lines[0].replace(b"\n", b"\r\n"), *lines[1:]], 1),
        (lambda lines: [*lines[:2], lines[2][:-1]], 3),
        (lambda lines: [*lines[:2], lines[2][:20]], 3),
        (lambda lines: [lines[0].replace(b'"by": "Ada"', b'"by": "Eve", "by": "Ada"'), *lines[1:]], 1),
        (lambda lines: [b"[1]\n", *lines[1:]], 1),
        (lambda lines: [b"[" * 100_000 + b"\n", *lines[1:]], 1),
    ],
    ids=[
        "changed",
        "removed",
        "first",
        "swapped",
        "twice",
        "blank",
        "crlf",
        "open",
        "cut",
        "name",
        "list",
        "deep",
    ],
)
def test_the_first_broken_line_is_named_and_nothing_is_added(log: Path, edit, line: int) -> None:
    log.write_bytes(b"".join(edit(log.read_bytes().splitlines(keepends=True))))
    before = log.read_bytes()
    with pytest.raises(DataError, match=f"log.jsonl line {line}\\b"):
        read_chain(log)
    with pytest.raises(DataError, match=f"line {line}\\b"):
        append_line(log, {"note": "four"})
    assert log.read_bytes() == before


def test_the_end_cut_off_shows_in_the_head_alone(log: Path) -> None:
    whole = head(read_chain(log))
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
    assert head(read_chain(log)) != whole


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", ADDER, str(path), name]) for name in ("Ada", "Ben")]
    assert [writer.wait() for writer in writers] == [0, 0]
    values = [link.value for link in read_chain(path)]
    assert len(values) == 40
    for name in ("Ada", "Ben"):
        assert [v["number"] for v in values if v["by"] == name] == list(range(20))


def test_several_lines_under_one_hold(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with hold_chain(path) as chain:
        chain.append({"n": 1})
        chain.append({"n": 2})
        assert [link.value["n"] for link in chain.links] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_who_waits_too_long_is_told(log: Path) -> None:
    before = log.read_bytes()
    with (
        hold_chain(log),
        pytest.raises(BusyError, match="another process writes to"),
        hold_chain(log, patience=0),
    ):
        pass
    assert log.read_bytes() == before
