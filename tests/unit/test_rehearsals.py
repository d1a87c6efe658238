"""Lines of reviews/rehearsals.jsonl: what they say, how old they are, what has changed since."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asd.errors import DataError
from asd.layout import Layout
from asd.rehearsals import (
    add_rehearsal,
    age,
    can_rehearse,
    changes,
    latest,
    read_rehearsals,
    rehearsal_facts,
    sentence,
    share,
    standing,
    time_of,
)
from tests.unit.rehearsing import LINE, NOW, Kennel
from tests.unit.ship.conftest import CLEAN, PLANTED, UNDEFENDED


@pytest.fixture
def kennel(tmp_path: Path) -> Kennel:
    return Kennel(tmp_path / "w")


def test_the_sentence_names_what_was_planted_and_what_was_found() -> None:
    assert sentence(asdict(LINE)) == (
        "on your data, with a trigger that we planted: attack success 99% -> 1% "
        "(1% without the trigger); 97% of the planted samples were called suspect, 1% of the rest"
    )


def test_without_verdicts_the_sentence_ends_with_the_attack_success() -> None:
    line = replace(LINE, asr_base=None, planted_called_suspect=None, rest_called_suspect=None)
    assert sentence(asdict(line)).endswith("attack success 99% -> 1%")


def test_a_trigger_that_did_not_work_shows_nothing_and_the_sentence_says_so() -> None:
    assert (LINE.worked, replace(LINE, asr_none=0.49).worked) == (True, False)
    assert sentence({**asdict(LINE), "asr_none": 0.49}).endswith("so this shows nothing")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0%"), (1.0, "100%"), (0.973, "97%"), (0.011, "1%"), (0.004, "0.4%"), (0.0051, "1%"),
        (0.996, "99.6%"), (0.99, "99%"), (0.00001, "0.1%"), (0.99999, "99.9%"),
    ],
)  # fmt: skip
def test_a_share_is_whole_per_cents_and_0_and_100_are_exact(value: float, said: str) -> None:
    assert share(value) == said


@pytest.mark.parametrize(
    ("hours", "said"), [(0, "today"), (23, "today"), (24, "1 day ago"), (75, "3 days ago"), (-5, "today")]
)
def test_age_is_in_whole_days(hours: int, said: str) -> None:
    at = (NOW - timedelta(hours=hours)).isoformat()
    assert age(at, NOW) == said


def test_lines_come_back_oldest_first_whatever_their_order_and_zone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    later = replace(LINE, at="2026-11-22T13:30:00+02:00")
    for line in (later, LINE):
        add_rehearsal(layout, line)
    assert read_rehearsals(layout) == [LINE, later]
    assert layout.rehearsals.read_bytes().count(b"\n") == 2


def test_no_file_is_no_rehearsal(tmp_path: Path) -> None:
    assert read_rehearsals(Layout(tmp_path)) == []


def test_a_last_line_without_its_end_is_not_glued_to_the_next(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    add_rehearsal(layout, LINE)
    layout.rehearsals.write_bytes(layout.rehearsals.read_bytes().rstrip())
    add_rehearsal(layout, LINE)
    assert len(read_rehearsals(layout)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asr_defense": "low"}, "asr_defense"),
        ({"surprise": 1}, "surprise"),
        ({"at": "yesterday"}, "yesterday"),
        ({"at": "2026-11-22T10:00:00"}, "wanted a time with its zone"),
        ("not json", "Invalid JSON"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_added_to_it(
    tmp_path: Path, change: dict[str, Any] | str, message: str
) -> None:
    layout = Layout(tmp_path)
    add_rehearsal(layout, LINE)
    bad = change if isinstance(change, str) else json.dumps({**asdict(LINE), **change})
    layout.rehearsals.write_text(layout.rehearsals.read_text() + bad + "\n")
    before = layout.rehearsals.read_bytes()
    with pytest.raises(DataError, match=rf"rehearsals\.jsonl line 2 is no rehearsal: .*{message}"):
        add_rehearsal(layout, LINE)
    assert layout.rehearsals.read_bytes() == before


def test_the_last_line_of_each_attack_counts_and_only_of_this_cell() -> None:
    newer = replace(LINE, asr_defense=0.5)
    blend = replace(LINE, attack="blend")
    others = [replace(LINE, dataset="birds"), replace(LINE, defense="nad"), replace(LINE, trial=1)]
    assert latest([LINE, blend, newer, *others], CLEAN) == [newer, blend]


def test_only_a_defended_cell_on_unplanted_data_with_vouched_seeds_can_be_rehearsed(kennel: Kennel) -> None:
    opened = kennel.set(attacks=["none", "badnets"])
    assert [can_rehearse(opened, cell) for cell in (CLEAN, PLANTED, UNDEFENDED)] == [True, False, False]
    assert not can_rehearse(kennel.change(seeds={"use": "oracle"}), CLEAN)


def test_what_has_changed_since_is_said(kennel: Kennel) -> None:
    line = kennel.rehearsed()
    assert standing(kennel.workspace, line, NOW) == "2026-11-22 (3 days ago; same data and params as now)"
    assert changes(kennel.workspace, replace(line, data="0" * 64)) == "the data have changed since"
    opened = kennel.change(defenses={"asd": {"common": {"w": 2}}, "none": {}})
    assert changes(opened, line) == "the params have changed since"
    assert changes(opened, replace(line, data="0" * 64)) == "the data and params have changed since"


@pytest.mark.parametrize(
    "defenses",
    [
        {"asd": {"use": "asd", "common": {"w": 1}, "stage1": {}, "stage2": {}}, "none": {}},
        {"none": {"stage1": {"epochs": 3}}, "asd": {"common": {"w": 1}}, "nad": {"use": "none"}},
    ],
)
def test_sections_that_asd_run_completes_and_other_defenses_are_no_change(
    kennel: Kennel, defenses: dict[str, Any]
) -> None:
    line = kennel.rehearsed()
    assert changes(kennel.change(defenses=defenses), line) == "same data and params as now"


def test_data_that_are_not_here_cannot_be_compared(kennel: Kennel) -> None:
    line = kennel.rehearsed()
    (kennel.workspace.layout.fetched("pets", "train") / "manifest.json").unlink()
    assert changes(kennel.workspace, line) == "the data are not here to compare"


def test_facts_are_of_unplanted_cells_alone(kennel: Kennel) -> None:
    kennel.rehearsed()
    opened = kennel.set(attacks=["none", "badnets"])
    assert rehearsal_facts(opened, PLANTED, NOW) == []
    (facts,) = rehearsal_facts(opened, CLEAN, NOW)
    assert (facts["day"], facts["days"], facts["age"]) == ("2026-11-22", 3, "3 days ago")
    assert time_of(facts["at"]) == time_of(LINE.at)
