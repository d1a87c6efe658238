"""`asd init`: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd.cli.output import JsonOption, print_json

_EXAMPLE = "Example: asd init ~/trial --preset digits && cd ~/trial && asd run"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", epilog=_EXAMPLE)(init)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder, or a git repository.")
    ],
    preset: Annotated[str, typer.Option(metavar="NAME", help="See `asd list presets`.")] = "digits",
    git: Annotated[bool, typer.Option("--git", help="Make a git repository there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace from a preset.

    Inside a git repository nothing is staged or committed; run it again if it was cut short.
    """
    from asd.new_workspace import create

    made = create(folder, preset, git=git)
    if as_json:
        print_json({"root": str(made.root), "in_git": made.in_git, "written": list(made.written)})
        return
    typer.echo(f"{made.root} is a workspace of preset {preset}")
    typer.echo(f"next: cd {folder} && asd run")
