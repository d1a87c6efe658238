"""`asd lock`: bring `asd.lock` up to the installed code."""

from __future__ import annotations

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("lock", epilog="Example: asd lock && dvc repro")(lock)


def lock(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Bring asd.lock up to the installed code.

    Steps and variants whose code changed will run again. Missing params and source pointers
    are added, so that `dvc repro` can follow.
    """
    from asd.readiness import make_ready

    changed = list(make_ready(find_workspace(workspace)).changed_code)
    if as_json:
        print_json({"changed": changed})
    elif changed:
        typer.echo("asd.lock: changed " + ", ".join(changed))
    else:
        typer.echo("asd.lock is up to date")
