"""Which cells a table is of, and the forms in which it can be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from asd.errors import ParamsError


class Format(StrEnum):
    """How a table is written."""

    text = "text"
    md = "md"
    csv = "csv"
    latex = "latex"


CellsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="CELL...", help="dataset/attack/defense/trial; globs, missing tail means all."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to write it.")]


def refuse_two_forms(form: Format, as_json: bool) -> None:
    """Refuse --json together with --format.

    Raises:
        ParamsError: both are given.
    """
    if as_json and form is not Format.text:
        raise ParamsError(f"give --json or --format {form}, not both")


def written(
    form: Format,
    facts: Sequence[Mapping[str, Any]],
    sheet: tuple[list[str], list[list[str]], list[str]],
    left: int,
) -> str:
    """The table in that form; `facts` are what CSV has instead of words."""
    from asd.tables import formats
    from asd.tables.rows import text_table

    if form is Format.csv:
        return formats.comma_separated(facts)
    if form is Format.md:
        return formats.markdown(*sheet, left=left)
    if form is Format.latex:
        return formats.latex(*sheet, left=left)
    return text_table(*sheet, left=left)
