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
    assert json.loads(capsys.readouterr().out) == {"cell": "digits/badnets/asd/0", "samples": 6}


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
