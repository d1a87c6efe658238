"""`asd table`: the results of all cells."""

from __future__ import annotations

from typing import Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("table", epilog="Example: asd table 'digits/*/asd' --json")(table)


def table(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CELL...", help="dataset/attack/defense/trial; globs, missing tail means all."
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the results of each cell.

    Accuracy, attack success, the final clean pool and seconds; a cell without results is
    shown too.
    """
    from asd import table as results
    from asd.cells import select_cells

    opened = open_workspace(workspace)
    rows = results.rows(opened, select_cells(opened.cells(), cells or []))
    if as_json:
        print_json(rows)
    else:
        typer.echo(results.render(rows))
