"""`asd audit summary|sample|pool|sql|diff` on six samples whose figures are known by hand."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asd import store
from asd.audit.journal import note_states
from asd.exclusions import Exclusion, write_exclusions
from asd.layout import Cell
from asd.truth import PoisonTruth
from asd.types import SampleIndex

ASD, NONE = (Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))
EVIL = "ev\x1b[2Jil\u202e\n\u2028<script>'; rm -rf $HOME; `x`"


def make_evil(kit: Any) -> None:
    """Strangers' words wherever they can stand."""
    index = SampleIndex(
        keys=tuple(f"k{i}" for i in range(6)),
        labels=np.array([0, 0, 1, 1, 1, 0]),
        content=tuple(f"{i:064x}" for i in range(6)),
        sources=(f"{EVIL}/a.png", "=1+1.png", "-rf.png", "a b/c.png", f"{EVIL}#7", "x.png"),
    )
    kit.audit(index=index, class_names=(EVIL, "dog"))


# -- which run -----------------------------------------------------------------------------------


def test_the_defended_cell_is_meant_and_the_other_is_named(kit: Any, capsys: Any) -> None:
    assert kit.asd("audit", "pool") == 0
    captured = capsys.readouterr()
    assert captured.err == "left out, no verdicts (ask with --cell): digits/badnets/none/0\n"
    assert "6 samples of digits/badnets/asd/0" in captured.out


def test_of_several_cells_one_must_be_named(kit: Any, capsys: Any) -> None:
    kit.audit(Cell("digits", "badnets", "asd", 1))
    for words in (
        ("pool",),
        ("sample", "k4"),
        ("confirm", "k4", "--as", "clean", "--by", "Ada"),
        ("export", "x.csv"),
    ):
        said = kit.refused(capsys, 2, "audit", *words)
        assert "say which with --cell: digits/badnets/asd/0, digits/badnets/asd/1" in said


def test_nothing_audited_says_what_to_type(kit: Any, capsys: Any) -> None:
    shutil.rmtree(kit.layout.data)
    assert "no cell is audited yet: `asd run`" in kit.refused(capsys, 2, "audit", "summary")
    assert "no cell is audited yet: `asd run`" in kit.refused(capsys, 2, "audit", "pool", "--cell", "digits")


# -- summary -------------------------------------------------------------------------------------


def test_summary_says_what_a_reviewer_reads_first(kit: Any, capsys: Any) -> None:
    assert kit.asd("audit", "summary") == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "digits/badnets/asd/0: 6 samples"
    for line in (
        "acc 90.0%, asr 1.0% (without attack 0.0%)",
        "clean pool: 3 samples, 0 planted among them",
        "suspects per class: dog: 1",
        "suspects per source: pets.bin: 1",
        "seeds: 1",
        "reviews: 0; confirmed clean 0, poisoned 0",
        "exclusions: 0 listed, 0 left out by the last fetch",
        "gates: none set",
        "warning: epoch 1: dog is starved",
    ):
        assert f"  {line}\n" in text, line
    assert text.splitlines()[-1] == "A verdict is evidence, not proof."


def test_summary_as_facts(kit: Any, capsys: Any) -> None:
    contents = kit.fetched()
    kit.audit(index=_index(contents))
    note = ("--by", "Ada", "--note", "square")
    assert kit.asd("audit", "confirm", "k4", "--as", "poisoned", *note) == 0
    assert kit.asd("audit", "confirm", "k0", "--as", "clean", *note) == 0
    write_exclusions(
        kit.layout.exclusions,
        [
            Exclusion("digits", "e" * 64, "Bob", "2026-01-01", ""),
            Exclusion("other", "d" * 64, "Bob", "2026-01-01", ""),
        ],
    )
    capsys.readouterr()
    found = kit.audited(capsys, "summary")
    assert found["left_out"] == ["digits/badnets/none/0"]
    [run] = found["runs"]
    assert sum(run["verdicts"].values()) == 6
    assert run["verdicts"]["suspect"] == 1
    assert run["pool"] == {"size": 3, "poisoned": 0, "precision": 1.0, "recall": 0.6}
    assert run["estimated_poisoned_share"]["interval"][0] <= run["estimated_poisoned_share"]["value"]
    assert run["exclusions"] == {"listed": 1, "left_out": [], "waiting": ["e" * 64]}
    assert run["reviews"]["not_excluded"] == [contents[4]]  # somebody took the line out by hand
    assert (run["reviews"]["poisoned"], run["reviews"]["clean"], run["reviews"]["by"]) == (1, 1, ["Ada"])
    assert run["reviews"]["verdicts"] == [
        {"verdict": "seed", "as": "clean", "samples": 1},
        {"verdict": "suspect", "as": "poisoned", "samples": 1},
    ]  # fmt: skip
    assert (run["gates"], run["note"]) == ([], "A verdict is evidence, not proof.")


def test_summary_holds_the_gates(kit: Any, capsys: Any) -> None:
    with kit.layout.params.open("a") as stream:
        stream.write("gates:\n  least_acc: 0.95\n")
    [run] = kit.audited(capsys, "summary", "digits/badnets/asd/0")["runs"]
    assert [(gate["gate"], gate["holds"]) for gate in run["gates"]] == [("least_acc", False)]


def test_summary_of_the_undefended_twin_says_that_it_judges_nothing(kit: Any, capsys: Any) -> None:
    assert kit.asd("audit", "summary", "digits/*/none") == 0
    assert "verdicts: none, this run judges nothing" in capsys.readouterr().out


# -- sample --------------------------------------------------------------------------------------


def _index(contents: list[str]) -> SampleIndex:
    return SampleIndex(
        tuple(f"k{i}" for i in range(6)), np.array([0, 0, 1, 1, 1, 0]), tuple(contents),
        tuple(f"pets.bin#{i}" for i in range(6)),
    )  # fmt: skip


@pytest.mark.parametrize("key", ["k4", f"{4:064x}", "pets.bin#4"])
def test_a_sample_is_found_by_key_content_or_source(kit: Any, capsys: Any, key: str) -> None:
    found = kit.audited(capsys, "sample", key)
    assert (found["run"], found["sample"]["key"], found["sample"]["verdict"]) == (str(ASD), "k4", "suspect")
    assert [(p["epoch"], p["stage"], p["rule"], p["in_clean_pool"]) for p in found["trajectory"]] == [
        (0, 1, "class-aware", False), (1, 1, "class-aware", False), (2, 2, "class-agnostic", False),
        (3, 3, "meta-split", False), (4, 3, "final", False),
    ]  # fmt: skip
    assert [p["virtual_loss"] for p in found["trajectory"]][:3] == [None, None, None]
    assert found["trajectory"][3]["virtual_loss"] == pytest.approx(0.01)
    assert found["revisions"] == []
    assert set(found["second_opinions"]) == {
        "spectral_signature", "activation_clustering", "neighbour_disagreement", "cleanlab_label_quality"
    }  # fmt: skip


def test_a_sample_in_words(kit: Any, capsys: Any) -> None:
    assert kit.asd("audit", "sample", "k2") == 0
    text = capsys.readouterr().out
    assert text.startswith("k2 in digits/badnets/asd/0\n")
    assert "\x1b" not in text  # not a terminal
    assert "clean pool, epoch 0 to 4 (stages begin at 2, 3):\n  ·█|█|██\n" in text
    assert "loss: • outside the clean pool, # inside" in text
    assert "second opinions (no part of the verdict):" in text
    assert "what we planted (no run knew it): clean" in text
    assert text.endswith("A verdict is evidence, not proof.\n")


def test_a_run_without_epochs_has_no_trajectory(kit: Any, capsys: Any) -> None:
    assert kit.asd("audit", "sample", "k2", "--cell", str(NONE)) == 0
    assert "no trajectory: this run recorded a final scoring alone" in capsys.readouterr().out


def test_neighbours_are_named(kit: Any, capsys: Any) -> None:
    table = pa.table(
        {
            "neighbours": pa.array([[1, 2]] * 6, pa.list_(pa.int32())),
            "neighbour_distances": pa.array([[0.5, 0.75]] * 6, pa.list_(pa.float32())),
            "nearest_clean": pa.array([3] * 6, pa.int32()),
            "nearest_clean_distance": pa.array([0.25] * 6, pa.float32()),
        }
    )
    store.write_parquet(kit.layout.audit_neighbours(ASD), table, row_group_size=4)
    found = kit.audited(capsys, "sample", "k5")["neighbours"]
    assert [(one["key"], one["distance"]) for one in found["by_features"]] == [("k1", 0.5), ("k2", 0.75)]
    assert (found["nearest_clean"]["key"], found["nearest_clean"]["distance"]) == ("k3", 0.25)
    assert kit.asd("audit", "sample", "k5") == 0
    assert re.search(r"clean pool, pixels\s+k3\s+dog", capsys.readouterr().out)
    kit.layout.audit_neighbours(ASD).write_bytes(b"nothing")
    assert "is damaged" in kit.refused(capsys, 3, "audit", "sample", "k5", "--cell", str(ASD))


def test_the_history_of_a_picture_goes_by_its_content(kit: Any, capsys: Any) -> None:
    kit.record("2026-01-10T12:00:00")
    note_states(kit.layout)
    renamed = replace(_index([f"{i:064x}" for i in range(6)]), keys=tuple(f"new{i}" for i in range(6)))
    import numpy as np

    planted = PoisonTruth(("new4",), ("poisoned",), np.array([0]))
    kit.audit(index=renamed, gain=8.0, planted=planted)
    kit.record("2026-01-12T12:00:00")
    assert kit.asd("audit", "confirm", "new4", "--as", "clean", "--by", "Ada", "--note", "fine") == 0
    capsys.readouterr()
    found = kit.audited(capsys, "sample", "new4")
    [before] = found["revisions"]
    assert (before["at"], before["found"], before["key"], before["verdict"]) == (
        "2026-01-10T12:00:00Z", True, "k4", "suspect"
    )  # fmt: skip
    assert [(one["by"], one["as"], one["note"]) for one in found["reviews"]] == [("Ada", "clean", "fine")]
    assert kit.asd("audit", "sample", "new4") == 0
    text = capsys.readouterr().out
    assert "  2026-01-10T12:00:00Z  suspect, suspicion" in text
    assert ", as k4\n" in text
    assert "reviewed as clean by Ada, " in text


@pytest.mark.parametrize(
    ("key", "said"),
    [("k", "fits several samples"), ("k9", "no sample of"), ("", "fits several"), (EVIL, "no sample")],
)
def test_a_key_that_means_no_sample_or_several(kit: Any, capsys: Any, key: str, said: str) -> None:
    assert kit.asd("audit", "sample", key, "--cell", str(ASD)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "\x1b" not in err
    assert err.count("\n") == 1


# -- pool ----------------------------------------------------------------------------------------


def keys(found: dict[str, Any]) -> list[str]:
    return [row["key"] for row in found["samples"]]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), 6),
        (("--verdict", "suspect"), ["k4"]),
        (("--verdict", "suspect", "--verdict", "seed"), ["k4", "k0"]),
        (("--class", "cat", "--sort", "key", "--ascending"), ["k0", "k1", "k5"]),
        (("--source", "pets.bin#3"), ["k3"]),
        (("--source", "pets.bin", "--limit", "2", "--sort", "row", "--ascending"), ["k0", "k1"]),
        (("--limit", "2", "--offset", "4", "--sort", "row", "--ascending"), ["k4", "k5"]),
        (("--in-pool", "--sort", "key", "--ascending"), ["k0", "k2", "k3"]),
        (("--not-in-pool", "--sort", "final_loss"), ["k4", "k1", "k5"]),
        (("--search", "BIN#2"), ["k2"]),
        (("--class", "horse"), []),
    ],
)
def test_pool_filters_sorts_and_pages(kit: Any, capsys: Any, words: tuple[str, ...], wanted: Any) -> None:
    found = keys(kit.audited(capsys, "pool", *words))
    assert len(found) == wanted if isinstance(wanted, int) else found == wanted


def test_a_row_of_the_pool_can_be_pasted_back(kit: Any, capsys: Any) -> None:
    assert kit.asd("audit", "pool", "--limit", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:3] == ["k4", "dog", "suspect"]
    assert lines[-2] == "1 to 1 of 6 samples of digits/badnets/asd/0, by suspicion"
    assert lines[-1] == "next: asd audit sample k4 --cell digits/badnets/asd/0"
    assert kit.asd(*lines[-1].removeprefix("next: asd ").split()) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--verdict", "suspct"), "no verdict 'suspct'; did you mean 'suspect'?"),
        (("--sort", "beauty"), "samples cannot be sorted by 'beauty'; by row, suspicion"),
        (("--limit", "0"), "--limit"),
        (("--cell", "digits/badnets/asd/9"), "the audit knows no cell"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_wrong_arguments(kit: Any, capsys: Any, words: tuple[str, ...], said: str) -> None:
    cell = () if "--cell" in words else ("--cell", str(ASD))
    assert said in kit.refused(capsys, 2, "audit", "pool", *words, *cell)


# -- sql -----------------------------------------------------------------------------------------


def test_sql_gives_rows(kit: Any, capsys: Any) -> None:
    asked = "select key, loss, in_clean_pool from history where run like '%/asd/0' and epoch = 3 "
    asked += "order by row limit 2"
    assert kit.audited(capsys, "sql", asked) == [
        {"key": "k0", "loss": 0.25, "in_clean_pool": True}, {"key": "k1", "loss": 6.0, "in_clean_pool": False}
    ]  # fmt: skip
    assert kit.audited(capsys, "sql", "select count(distinct run) as n from samples") == [{"n": 2}]
    only = kit.audited(capsys, "sql", "select distinct run from samples", "--cell", str(NONE))
    assert only == [{"run": str(NONE)}]
    assert kit.audited(capsys, "sql", "select 'nan'::double as a, date '2026-01-01' as b") == [
        {"a": None, "b": "2026-01-01"}
    ]


def test_sql_as_a_table(kit: Any, capsys: Any) -> None:
    assert (
        kit.asd(
            "audit", "sql", "select verdict, count(*) as n from samples where run like '%asd/0' group by all"
        )
        == 0
    )
    out = capsys.readouterr().out
    assert re.search(r"suspect\s+1\n", out)
    assert kit.asd("audit", "sql", "select 1 where false") == 0
    assert capsys.readouterr().out == "0 rows\n"


@pytest.mark.parametrize(
    "question",
    ["drop table runs", "select * from read_csv('/etc/passwd')", "selec 1", "select nope from samples", ""],
)
def test_sql_that_is_no_question_is_one_line(kit: Any, capsys: Any, question: str) -> None:
    assert kit.asd("audit", "sql", question) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("asd: ")
    assert "Traceback" not in captured.err


# -- diff ----------------------------------------------------------------------------------------


def test_diff_of_two_revisions(kit: Any, capsys: Any) -> None:
    kit.record("2026-01-10T12:00:00")
    note_states(kit.layout)
    kit.audit(gain=8.0, acc=0.8)
    kit.record("2026-01-12T12:00:00")
    found = kit.audited(capsys, "diff", f"{ASD}@previous", str(ASD))
    assert (found["before"]["acc"], found["after"]["acc"]) == (0.9, 0.8)
    assert found["changed"] == [{"from": "suspect", "to": "unused", "samples": 1}]
    assert [(one["key"], one["before"], one["after"]) for one in found["samples"]] == [
        ("k4", "suspect", "unused")
    ]
    assert (found["same"], found["new"], found["gone"]) == (
        5,
        {"samples": 0, "keys": []},
        {"samples": 0, "keys": []},
    )
    assert kit.asd("audit", "diff", f"{ASD}@previous", str(ASD), "--limit", "0") == 0
    text = capsys.readouterr().out
    assert re.search(r"suspect\s+unused\s+1\n", text)
    assert f"{ASD}@previous" in text
    assert "verdicts: 5 the same, 1 changed" in text


def test_diff_names_new_and_gone_samples_and_sources(kit: Any, capsys: Any) -> None:
    other = replace(
        _index([f"{i:064x}" for i in range(6)]),
        keys=("k0", "k1", "k2", "k3", "k4", "n5"),
        sources=(*(f"pets.bin#{i}" for i in range(5)), "drop/new.png"),
    )
    later = Cell("digits", "badnets", "asd", 1)
    kit.audit(later, index=other)
    found = kit.audited(capsys, "diff", str(ASD), str(later))
    assert (found["new"], found["gone"]) == ({"samples": 1, "keys": ["n5"]}, {"samples": 1, "keys": ["k5"]})
    assert (found["new_sources"], found["gone_sources"]) == ({"drop": 1}, {})
    back = kit.audited(capsys, "diff", str(later), str(ASD))
    assert (back["new_sources"], back["gone_sources"]) == ({}, {"drop": 1})


def test_diff_refuses_what_cannot_be_compared(kit: Any, capsys: Any) -> None:
    assert "are the same run" in kit.refused(capsys, 2, "audit", "diff", str(ASD), f"{ASD}@current")
    kit.audit(Cell("pets", "badnets", "asd", 0))
    assert "different data sets" in kit.refused(capsys, 2, "audit", "diff", str(ASD), "pets")


# -- strangers' words ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("summary",), ("sample", "k4"), ("pool",), ("sql", "select source, class_name from samples"),
        ("sql", 'select 1 as "a\x1b[2Jb"'), ("diff", str(NONE), str(ASD)), ("pool", "--class", EVIL),
    ],
)  # fmt: skip
def test_no_stranger_acts_on_the_terminal(kit: Any, capsys: Any, words: tuple[str, ...]) -> None:
    make_evil(kit)
    for as_json in ((), ("--json",)):
        assert kit.asd("audit", *words, *as_json) == 0
        out = capsys.readouterr().out
        assert not set("\x1b\u202e\u2028") & set(out)
        if as_json:
            json.loads(out)


def test_a_source_of_a_stranger_is_one_word_when_pasted(kit: Any, capsys: Any) -> None:
    make_evil(kit)
    assert kit.asd("audit", "pool", "--sort", "row", "--ascending") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if re.match(r"k\d", line)]
    assert len(rows) == 6
    assert shlex.split(rows[3])[-1] == "a b/c.png"
    assert "$HOME" in rows[0]
    assert shlex.split(rows[0])[-1].endswith("/a.png")
    assert pq.read_table(kit.layout.audit_samples(ASD))["source"][0].as_py().startswith("ev\x1b")
