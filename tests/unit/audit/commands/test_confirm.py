"""`asd audit confirm`, and what seeds make of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from asd import store
from asd.audit.reviews import read_reviews
from asd.exclusions import read_exclusions
from asd.layout import Cell
from asd.types import SampleIndex

ASD = Cell("digits", "badnets", "asd", 0)


@pytest.fixture
def real(kit: Any) -> Any:
    """The run is about the fetched pictures; k4 was stamped by the step poison, so its content is another."""
    contents = kit.fetched()
    stamped = [*contents[:4], "9" * 64, contents[5]]
    index = SampleIndex(
        tuple(f"k{i}" for i in range(6)), np.array([0, 0, 1, 1, 1, 0]), tuple(stamped),
        tuple(f"pets.bin#{i}" for i in range(6)),
    )  # fmt: skip
    kit.audit(index=index)
    kit.contents = contents
    return kit


def say(kit: Any, key: str, word: str, *words: str) -> int:
    return int(kit.asd("audit", "confirm", key, "--as", word, "--by", "Ada", *words))


def test_poisoned_is_logged_excluded_and_told(real: Any, capsys: Any) -> None:
    assert say(real, "k1", "poisoned", "--note", "a square") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"k1 is poisoned, says Ada (content {real.contents[1][:12]})\n")
    assert "left out of the next run: `asd run`" in out
    [review] = read_reviews(real.layout.review_log)
    assert (review.key, review.content_sha256, review.label) == ("k1", real.contents[1], "cat")
    assert (review.run, review.note) == (str(ASD), "a square")
    [line] = read_exclusions(real.layout.exclusions)
    assert (line.dataset, line.content_sha256, line.by) == ("digits", real.contents[1], "Ada")


def test_a_picture_that_we_stamped_takes_nothing_out(real: Any, capsys: Any) -> None:
    assert say(real, "k4", "poisoned") == 0
    out = capsys.readouterr().out
    assert "the step poison made it" in out
    assert "takes nothing out of the data" in out


def test_clean_makes_a_candidate_that_can_be_pasted(real: Any, capsys: Any) -> None:
    assert real.asd("seeds", "candidates") == 0
    assert "no candidates" in capsys.readouterr().out
    assert say(real, "k2", "clean") == 0
    next_line = capsys.readouterr().out.splitlines()[-1]
    assert next_line == "next: asd seeds add --dataset digits --class dog --key k2 --by NAME"
    assert real.asd("seeds", "candidates") == 0
    assert capsys.readouterr().out == "asd seeds add --dataset digits --class dog --key k2 --by NAME\n"
    assert real.asd("seeds", "candidates", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["label"], one["key"], one["by"]) for one in found["candidates"]] == [("dog", "k2", "Ada")]
    assert real.asd(*next_line.removeprefix("next: asd ").split()[:-1], "Bob") == 0
    assert real.asd("seeds", "candidates", "--json") == 0
    found = capsys.readouterr().out
    assert json.loads(found[found.index("{") :])["candidates"] == []


def test_a_confirmed_poisoned_picture_is_no_seed(real: Any, capsys: Any) -> None:
    assert real.asd("seeds", "add", "--class", "cat", "--key", "k0", "--by", "Bob") == 0
    assert say(real, "k0", "poisoned") == 0
    assert "it is a seed: take its line out of seeds/trusted.csv" in capsys.readouterr().out
    assert real.asd("seeds", "check") == 3
    assert "seeds: k0 was confirmed as poisoned by Ada on " in capsys.readouterr().err
    assert say(real, "k1", "poisoned") == 0
    capsys.readouterr()
    said = real.refused(capsys, 2, "seeds", "add", "--class", "cat", "--key", "k1", "--by", "Bob")
    assert "k1 cannot be a seed: Ada confirmed it as poisoned on " in said
    assert say(real, "k1", "clean") == 0  # a second look
    assert real.asd("seeds", "add", "--class", "cat", "--key", "k1", "--by", "Bob") == 0


def test_a_picture_that_was_left_out_can_be_taken_back(real: Any, capsys: Any) -> None:
    assert say(real, "k1", "poisoned") == 0
    samples = real.layout.audit_samples(ASD)
    table = pq.read_table(samples)
    store.write_parquet(samples, table.filter([key != "k1" for key in table["key"].to_pylist()]))
    for key in ("k1", real.contents[1], real.contents[1][:12]):
        assert say(real, key, "clean", "--cell", str(ASD)) == 0
    assert read_exclusions(real.layout.exclusions) == ()
    assert [review.key for review in read_reviews(real.layout.review_log)] == ["k1"] * 4
    capsys.readouterr()
    assert "no sample of" in real.refused(
        capsys, 2, "audit", "confirm", "k77", "--as", "clean", "--by", "Ada", "--cell", str(ASD)
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("k1", "--as", "evil", "--by", "Ada"), 2, "'evil' is not one of"),
        (("k1", "--as", "clean"), 2, "--by"),
        (("k1", "--as", "clean", "--by", "A\nB"), 2, "wanted your name"),
        (("k1", "--as", "clean", "--by", "\x1b[31mA"), 2, "wanted your name"),
        (("k1", "--as", "clean", "--by", "Ada", "--note", "a\nb"), 2, "wanted one line of at most 500"),
        (("k1", "--as", "clean", "--by", "Ada", "--note", "n" * 501), 2, "wanted one line of at most 500"),
        (("nope", "--as", "clean", "--by", "Ada"), 2, "no sample of"),
        ((), 2, "KEY"),
    ],
)
def test_wrong_words_write_nothing(
    real: Any, capsys: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in real.refused(capsys, code, "audit", "confirm", *words, "--cell", str(ASD))
    assert not real.layout.review_log.exists()
    assert read_exclusions(real.layout.exclusions) == ()


def test_a_broken_chain_stops_every_command_that_reads_it(real: Any, capsys: Any) -> None:
    for key in ("k0", "k1", "k2"):
        assert say(real, key, "clean") == 0
    log = real.layout.review_log
    log.write_bytes(log.read_bytes().replace(b'"k1"', b'"k5"', 1))
    capsys.readouterr()
    for words in (
        ("audit", "confirm", "k3", "--as", "clean", "--by", "Ada", "--cell", str(ASD)),
        ("audit", "summary", str(ASD)),
        ("audit", "sample", "k0", "--cell", str(ASD)),
        ("seeds", "candidates"),
        ("seeds", "add", "--class", "cat", "--key", "k0", "--by", "Bob"),
    ):
        assert "log.jsonl line 3: the chain is broken" in real.refused(capsys, 3, *words)


def test_an_old_pipeline_is_told(real: Any, capsys: Any) -> None:
    pipeline = real.layout.pipeline
    pipeline.write_text(pipeline.read_text().replace("- reviews/exclusions.csv", "# -"))
    text = pipeline.read_text()
    pipeline.write_text(text.replace("reviews/exclusions.csv", ""))
    assert say(real, "k1", "poisoned") == 0
    assert (
        "dvc.yaml is of an earlier version and does not know reviews/exclusions.csv"
        in capsys.readouterr().out
    )


def test_the_same_words_as_facts(real: Any, capsys: Any) -> None:
    assert say(real, "k1", "poisoned", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["key"], found["as"], found["by"], found["run"]) == ("k1", "poisoned", "Ada", str(ASD))
    assert found["told"] == ["left out of the next run: `asd run`"]


def test_two_reviewers_at_once_lose_nothing(real: Any, capsys: Any) -> None:
    program = str(Path(sys.executable).parent / "asd")
    commands = [
        [program, "audit", "confirm", key, "--as", "poisoned", "--by", who, "--workspace", str(real.root)]
        for who in ("Ada", "Bob")
        for key in ("k0", "k1")
    ]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    assert [one.wait(timeout=120) for one in started] == [0, 0, 0, 0]
    assert sorted((r.by, r.key) for r in read_reviews(real.layout.review_log)) == [
        ("Ada", "k0"), ("Ada", "k1"), ("Bob", "k0"), ("Bob", "k1")
    ]  # fmt: skip
    assert len(read_exclusions(real.layout.exclusions)) == 2
