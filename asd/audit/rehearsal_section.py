"""The rehearsals of a cell as a section of its pages; they are no part of the run that the pages are about.

The step `audit` does not know them (they come later, and no result depends on them), so
`report.html` as it lies has a place for the section, which `asd audit report` fills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from asd.audit.report import report_environment

_BEGIN, _END = "<!-- rehearsal -->", "<!-- /rehearsal -->"


def section(rehearsals: Sequence[Mapping[str, Any]]) -> Markup:
    """HTML of what `asd.rehearsals.rehearsal_facts` gives; empty without one. All texts are escaped."""
    if not rehearsals:
        return Markup()
    page = report_environment().get_template("rehearsal.html.j2").render(rehearsals=rehearsals)
    return Markup(page + "\n")  # noqa: S704 (made by a template that escapes)


def with_rehearsals(page: str, rehearsals: Sequence[Mapping[str, Any]]) -> str:
    """The text of `report.html` with the section in its place; as it is without one or without a place."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not rehearsals or not begin or not end:
        return page
    return before + begin + str(section(rehearsals)) + end + after  # Markup would escape the page
