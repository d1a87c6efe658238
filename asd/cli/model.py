"""`asd model`: take a trained model out, and say which one is to be served."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, new_app, open_workspace, print_json

if TYPE_CHECKING:
    from asd.layout import Cell
    from asd.params import Workspace
    from asd.ship.current import Promotion

CellArgument = Annotated[str, typer.Argument(metavar="CELL", help="dataset/attack/defense/trial; one cell.")]


class Form(StrEnum):
    """What a model can be written as."""

    safetensors = "safetensors"
    onnx = "onnx"


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app("Export a trained model; choose which one is current.")
    group.command("export", epilog="Example: asd model export digits/badnets/asd/0 out")(export)
    group.command("list", epilog="Example: asd model list --json")(list_models)
    group.command("promote", epilog="Example: asd model promote drops/none/asd/0")(promote)
    group.command("rollback", epilog="Example: asd model rollback && asd model list")(rollback)
    app.add_typer(group, name="model")


def export(
    cell: CellArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    form: Annotated[
        Form | None,
        typer.Option("--format", help="Default: both, if onnx is installed.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model with its card to a folder that runs without this workspace.

    Before the folder appears, each format is held against the trained network on 256 test images.
    """
    opened = open_workspace(workspace)
    chosen = _one_cell(opened, cell)
    from asd.ship import export as shipping  # imports torch

    done = shipping.export(opened, chosen, folder, form.value if form else None)
    largest = done.agreement.largest
    if as_json:
        print_json(
            {
                "folder": str(done.folder),
                "files": list(done.files),
                "images_compared": done.agreement.images,
                "largest_difference": largest,
                "weights_sha256": done.facts.weights_sha256,
            }
        )
        return
    apart = ", ".join(f"{name} {value:.1e}" for name, value in largest.items())
    typer.echo(f"{done.folder}: {', '.join(done.files)}")
    typer.echo(f"the same class on {done.agreement.images} test images; probabilities apart by {apart}")
    typer.echo(f"next: fill in the licence in {folder}/MODEL_CARD.md; `python {folder}/predict.py IMAGE`")


def list_models(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Print the promoted models, the oldest first; * is the current one."""
    from asd.ship.current import current, history

    layout = open_workspace(workspace).layout
    now, entries = current(layout), history(layout)
    if as_json:
        print_json([_facts(entry, now) for entry in entries])
        return
    if not entries:
        typer.echo("no model was promoted yet; `asd model promote CELL`")
    for entry in entries:
        mark = "*" if now is not None and entry.number == now.number else " "
        typer.echo(f"{mark} {entry.folder}  {entry.cell}  {_figures(entry)}  {entry.weights_sha256[:12]}")


def promote(cell: CellArgument, workspace: WorkspaceOption = None) -> None:
    """Make a cell's model current, if every gate holds; else exit 4 and change nothing."""
    from asd.run_lock import hold_workspace
    from asd.ship.gates import refuse_impossible
    from asd.ship.promotion import promote as make_it_current

    opened = open_workspace(workspace)
    with hold_workspace(opened.layout):
        refuse_impossible(opened)
        done = make_it_current(opened, _one_cell(opened, cell))
    for outcome in done.outcomes:
        typer.echo(str(outcome))
    typer.echo(str(done))


def rollback(workspace: WorkspaceOption = None) -> None:
    """Make the model current that the present one replaced; the history keeps both."""
    from asd.run_lock import hold_workspace
    from asd.ship.current import rollback as go_back

    layout = open_workspace(workspace).layout
    with hold_workspace(layout):
        now = go_back(layout)
    typer.echo(f"models/current is {now.folder} ({now.cell}) again")


def _one_cell(workspace: Workspace, pattern: str) -> Cell:
    from asd.cells import one_cell

    return one_cell(workspace.cells(), pattern)


def _facts(entry: Promotion, now: Promotion | None) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(entry), "current": now is not None and entry.number == now.number}


def _figures(entry: Promotion) -> str:
    return "  ".join(
        f"{name} {'not measured' if value is None else f'{100 * value:.1f}%'}"
        for name, value in entry.figures.items()
    )
