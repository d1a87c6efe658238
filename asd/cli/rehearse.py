"""`asd rehearse`: would the defense stop an attack on this data?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json
from asd.errors import ParamsError

if TYPE_CHECKING:
    from asd.operations.rehearsal.run import Asked
    from asd.params import Workspace
    from asd.rehearsals import Rehearsal

_EXAMPLE = "Example: asd rehearse --attacks badnets,blend --fraction 0.05"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rehearse", epilog=_EXAMPLE)(rehearse)


def rehearse(
    attacks: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Attacks to plant: variants of params.yaml or plug-ins. Default: service.rehearse_attacks.",
            show_default=False,
        ),
    ] = None,
    fraction: Annotated[
        float | None,
        typer.Option(
            metavar="F",
            help="Share of the copy that is planted. Default: service.rehearse_fraction.",
            show_default=False,
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(
            metavar="CELL", help="Which cell; needed where several are unplanted.", show_default=False
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Class that the trigger asks for.", show_default=False),
    ] = None,
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only when service.rehearse says so; for schedules.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plant known triggers in a copy of your data, and see whether the defense stops them there.

    The copy is a workspace of its own, .rehearsal/, and may be deleted at any time; nothing
    planted enters this workspace's data. Stopped, it goes on from there when called again; with
    nothing new it does nothing. The results are lines of reviews/rehearsals.jsonl.
    """
    from functools import partial

    from asd.operations.rehearsal.run import rehearse as run
    from asd.operations.rehearsal.run import start_flow

    opened = open_workspace(workspace)
    if if_due and opened.params.service.rehearse == "never":
        typer.echo("no rehearsal is due: service.rehearse is never", err=as_json)
        _show([], as_json)
        return
    asked = _asked(opened, attacks, fraction, cell, target)
    if if_due:
        asked, why = _due(opened, asked)
        typer.echo(why, err=as_json)
    # an empty tuple: nothing is due
    nothing = asked.attacks == ()
    say = partial(typer.echo, err=as_json)
    found = [] if nothing else run(opened, asked, say, partial(start_flow, quiet=as_json))
    _show(found, as_json)


def _asked(
    workspace: Workspace, attacks: str | None, fraction: float | None, cell: str | None, target: str | None
) -> Asked:
    from asd.operations.rehearsal.checks import production_cell
    from asd.operations.rehearsal.run import Asked

    names = None if attacks is None else tuple(filter(None, (word.strip() for word in attacks.split(","))))
    if names == ():
        raise ParamsError(f"--attacks {attacks!r} names none; wanted such as badnets,blend")
    return Asked(production_cell(workspace, cell), names, fraction, target)


def _due(workspace: Workspace, asked: Asked) -> tuple[Asked, str]:
    """What of it is due, and what to say; no attacks: nothing is."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from asd.operations.rehearsal.due import due

    found = due(workspace.layout, workspace.params, datetime.now(UTC), asked.cell, asked.attacks)
    word = f"due: {', '.join(found.attacks)}" if found else "no rehearsal is due"
    return replace(asked, attacks=found.attacks), f"{word}: {found.reason}"


def _show(found: list[Rehearsal], as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json({"rehearsals": [asdict(one) for one in found]})
        return
    for one in found:
        typer.echo(f"{one.attack}: {one.sentence}")
