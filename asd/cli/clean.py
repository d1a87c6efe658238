"""`asd clean`: delete what can be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json

if TYPE_CHECKING:
    from asd.operations.cleaning import Rubbish
    from asd.params import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("clean", epilog="Example: asd clean --dry-run --all")(clean)


def clean(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and how many bytes; delete nothing.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also downloads, unfinished checkpoints and results of earlier runs."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what can be made again.

    By default: decoded pixels, checkpoints that nothing needs, leftovers of killed processes.
    With --all also what costs time to make again. Results that dvc.lock or a model below
    models/ names always stay.
    """
    from asd.run_lock import hold_workspace

    opened = open_workspace(workspace)
    with hold_workspace(opened.layout):
        _clean(opened, dry_run=dry_run, everything=everything, as_json=as_json)


def _clean(opened: Workspace, *, dry_run: bool, everything: bool, as_json: bool) -> None:
    from asd.operations import cleaning, rubbish

    cleaning.refuse_while_busy(opened.layout)
    found = rubbish.find(opened)
    if as_json:
        kinds = [
            {
                "kind": r.kind,
                "count": len(r.paths),
                "bytes": r.size,
                "costs": r.costs,
                "goes": everything or easy,
            }
            for r, easy in found.kinds
        ]
        print_json({"kinds": kinds, "notes": found.notes, "deleted": not dry_run})
    else:
        _say(found.kinds, found.notes, everything=everything)
    if not dry_run:
        rubbish.delete(opened.layout, found, everything=everything)
        if not as_json:
            typer.echo("deleted")


def _say(kinds: list[tuple[Rubbish, bool]], notes: list[str], *, everything: bool) -> None:
    from asd.cli.dry_run import size

    for one, easy in kinds:
        stays = "" if easy or everything else "  (stays; --all deletes it)"
        costs = f"  {one.costs}" if one.paths else ""
        typer.echo(f"{size(one.size):>9}  {one.kind}{stays}{costs}")
    total = sum(one.size for one, easy in kinds if easy or everything)
    typer.echo(f"{size(total):>9}  in all")
    for note in notes:
        typer.echo(note)
