"""`asd table`: the results of all cells."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asd.cli.forms import CellsArgument, Format, FormatOption, refuse_two_forms, written
from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json


class Over(StrEnum):
    """What rows are averaged over."""

    trials = "trials"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("table", epilog="Example: asd table 'digits/*/asd' --over trials --format md")(table)


def table(
    cells: CellsArgument = None,
    over: Annotated[
        Over | None,
        typer.Option(help="trials: mean, standard deviation (n-1) and count of each.", show_default=False),
    ] = None,
    form: FormatOption = Format.text,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the results of each cell.

    Accuracy, attack success, the final clean pool and seconds; a cell without results is
    shown too. A cell whose figures are of an earlier run is marked.
    """
    from asd.cells import select_cells
    from asd.tables import rows as results
    from asd.tables import trials

    refuse_two_forms(form, as_json)
    opened = open_workspace(workspace)
    chosen = select_cells(opened.cells(), cells or [])
    rows = results.rows(opened, chosen)
    states = results.states(opened.layout, chosen)
    if over is not None:
        facts = trials.over_trials(rows, states)
        sheet, left = trials.sheet(facts), 3
    else:
        facts = [{**row, "state": states[cell]} for row, cell in zip(rows, chosen, strict=True)]
        sheet, left = results.sheet(rows, states), 1
    sheet[2].extend(results.params_note(opened.layout))
    if as_json and over is None:
        shares = [results.by_drop(opened.layout, cell) for cell in chosen]
        print_json([{**row, **more} for row, more in zip(facts, shares, strict=True)])
    elif as_json:
        print_json(facts)
    else:
        typer.echo(written(form, facts, sheet, left), nl=form is Format.text)
