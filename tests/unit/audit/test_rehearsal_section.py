"""Rehearsals on the pages of a run: told apart from its samples, and hostile names are text."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from asd.audit.rehearsal_section import section, with_rehearsals
from asd.audit.web import run_facts
from asd.rehearsals import rehearsal_facts
from tests.unit.rehearsing import LINE, Kennel
from tests.unit.ship.conftest import CLEAN

PAGE = "<p>before</p><!-- rehearsal --><p>none yet</p><!-- /rehearsal --><p>after</p>"


def facts(**values: Any) -> dict[str, Any]:
    line = asdict(replace(LINE, **values))
    return {
        **line,
        "day": "2026-11-22",
        "days": 3,
        "age": "3 days ago",
        "changes": "the data have changed since",
    }


def test_the_section_says_that_it_is_not_about_the_samples_of_the_run() -> None:
    text = section([facts(sentence="attack success 99% to 1%")])
    assert "No figure here is about a sample of this run" in text
    for part in ("2026-11-22 (3 days ago)", "the data have changed since", "500 of 10,000", "99.0%", "1.1%"):
        assert part in text, part
    assert "485</td><td>95 of 9,500</td>" in text
    assert "attack success 99% to 1%." in text


def test_what_was_not_measured_is_a_dash() -> None:
    assert "–</td><td>– of 9,500</td>" in section(
        [facts(planted_called_suspect=None, rest_called_suspect=None)]
    )


def test_hostile_names_are_text() -> None:
    text = section([facts(attack="<script>", target="\u202ecat", defense="<b>", sentence="<img src=x>")])
    assert not any(word in text for word in ("<script", "<img", "<b>", "\u202e"))
    assert "&lt;script&gt;" in text


def test_the_section_stands_in_its_place_and_without_rehearsals_the_page_stays() -> None:
    filled = with_rehearsals(PAGE, [facts()])
    assert filled.startswith("<p>before</p><!-- rehearsal --><section")
    assert filled.endswith("</section>\n<!-- /rehearsal --><p>after</p>")
    assert "none yet" not in filled
    assert with_rehearsals(PAGE, []) == PAGE
    assert (
        with_rehearsals("<p>a page of an earlier version</p>", [facts()])
        == "<p>a page of an earlier version</p>"
    )


def test_the_page_of_a_run_has_it_and_a_damaged_file_does_not_break_the_page(tmp_path: Path) -> None:
    kennel = Kennel(tmp_path / "w")
    assert run_facts.rehearsal(kennel.workspace, CLEAN) == ""
    line = kennel.rehearsed()
    assert line.attack in run_facts.rehearsal(kennel.workspace, CLEAN)
    assert rehearsal_facts(kennel.workspace, CLEAN)[0]["attack"] == line.attack
    kennel.workspace.layout.rehearsals.write_text("damaged")
    assert run_facts.rehearsal(kennel.workspace, CLEAN) == ""
    assert run_facts.rehearsal(None, CLEAN) == ""


@pytest.mark.parametrize("attack", ["none", "badnets"])
def test_only_the_report_of_an_unplanted_run_has_a_place_for_it(make_record: Any, attack: str) -> None:
    from tests.unit.audit.test_report import page

    plugins = {"dataset": "digits", "attack": attack, "defense": "asd"}
    assert ("<!-- rehearsal -->" in page(make_record(), plugins=plugins)) is (attack == "none")
