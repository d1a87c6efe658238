"""`asd audit report`: where the page is, a copy of it, its facts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asd import store
from asd.layout import Cell

ASD = Cell("digits", "badnets", "asd", 0)


@pytest.fixture
def reported(kit: Any) -> Any:
    """The workspace with a page and its facts."""
    kit.layout.audit_report(ASD).write_text("<!doctype html>\n")
    store.write_json(kit.layout.audit_report_facts(ASD), {"cell": str(ASD), "samples": 6})
    return kit


def test_the_path_of_the_page_is_printed(reported: Any, capsys: Any) -> None:
    assert reported.asd("audit", "report") == 0
    assert capsys.readouterr().out == f"{reported.layout.audit_report(ASD)}\n"


def test_json_prints_the_facts(reported: Any, capsys: Any) -> None:
    assert reported.asd("audit", "report", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "cell": "digits/badnets/asd/0",
        "samples": 6,
        "rehearsals": [],
    }


def test_the_page_is_copied_and_nothing_is_written_over(reported: Any, tmp_path: Any, capsys: Any) -> None:
    out = tmp_path / "audit.html"
    words = ("audit", "report", "--cell", str(ASD), "--out")
    assert reported.asd(*words, str(out)) == 0
    assert (out.read_text(), capsys.readouterr().out) == ("<!doctype html>\n", f"{out}\n")
    out.write_text("mine")
    assert "is there already; --force writes over it" in reported.refused(capsys, 2, *words, str(out))
    assert out.read_text() == "mine"
    assert "is a folder" in reported.refused(capsys, 2, *words, str(tmp_path))
    assert reported.asd(*words, str(out), "--force") == 0
    assert out.read_text() == "<!doctype html>\n"


def test_a_run_without_a_page_says_what_to_type(kit: Any, capsys: Any) -> None:
    said = kit.refused(capsys, 3, "audit", "report", "--cell", str(ASD))
    assert "digits/badnets/asd/0 has no report.html: `asd run digits/badnets/asd/0` writes it" in said


def test_the_rehearsals_of_an_unplanted_run_are_told_in_the_copy_and_not_in_the_output(
    kit: Any, tmp_path: Any, capsys: Any
) -> None:
    from dataclasses import replace

    from asd.rehearsals import add_rehearsal
    from tests.unit.rehearsing import LINE

    clean = Cell("digits", "none", "asd", 0)
    kit.audit(clean)
    page = "<!-- rehearsal -->none yet<!-- /rehearsal -->"
    kit.layout.audit_report(clean).write_text(page)
    store.write_json(kit.layout.audit_report_facts(clean), {"cell": str(clean)})
    add_rehearsal(kit.layout, replace(LINE, dataset="digits", sentence="attack success 99% -> 1%"))
    out = tmp_path / "audit.html"
    assert kit.asd("audit", "report", "--cell", str(clean), "--out", str(out)) == 0
    assert "attack success 99% -&gt; 1%." in out.read_text()
    assert "none yet" not in out.read_text()
    assert kit.layout.audit_report(clean).read_text() == page
    capsys.readouterr()
    assert kit.asd("audit", "report", "--cell", str(clean), "--json") == 0
    (facts,) = json.loads(capsys.readouterr().out)["rehearsals"]
    assert (facts["attack"], facts["planted"], facts["day"]) == ("badnets", 500, "2026-11-22")
    assert kit.asd("audit", "summary", str(clean)) == 0
    said = capsys.readouterr().out
    assert "  rehearsal with badnets, 2026-11-22 (" in said
    assert "not about these samples: attack success 99% -> 1%\n" in said
    assert kit.asd("audit", "summary", str(ASD)) == 0
    assert "rehearsal" not in capsys.readouterr().out
