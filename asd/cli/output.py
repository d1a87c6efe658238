"""What the commands share: the app's settings, finding the workspace, printing facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.errors import ParamsError
from asd.layout import Layout

if TYPE_CHECKING:
    from asd.params import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Folder with params.yaml and dvc.yaml; default: the nearest one above.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")]


def new_app(text: str, epilog: str | None = None) -> typer.Typer:
    """A command group with asd's settings: no pretty tracebacks, no completion, help on nothing."""
    return typer.Typer(
        help=text,
        epilog=epilog,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def workspace_above(folder: Path) -> Path | None:
    """The nearest folder at or above `folder` with params.yaml and dvc.yaml."""
    for place in (folder.resolve(), *folder.resolve().parents):
        layout = Layout(place)
        if layout.params.is_file() and layout.pipeline.is_file():
            return place
    return None


def find_workspace(given: Path | None) -> Path:
    """The folder that `--workspace` names, else the nearest workspace above.

    Raises:
        ParamsError: there is none.
    """
    if given is None:
        found = workspace_above(Path.cwd())
        if found is None:
            raise ParamsError(
                "no workspace (params.yaml and dvc.yaml) here or above; "
                "go into one, give --workspace DIR, or make one with `asd init DIR --preset digits`"
            )
        return found
    layout = Layout(given.resolve())
    missing = [file.name for file in (layout.params, layout.pipeline) if not file.is_file()]
    if missing:
        raise ParamsError(f"{given} is no workspace: it has no {' and no '.join(missing)}")
    return layout.root


def open_workspace(given: Path | None) -> Workspace:
    """Find the workspace and read its params.

    Raises:
        ParamsError: none there, or its params are wrong.
    """
    from asd.params import load_workspace

    return load_workspace(find_workspace(given))


def print_json(value: Any) -> None:
    """Print facts for a program."""
    typer.echo(json.dumps(value, indent=1, sort_keys=True, allow_nan=False))


def refuse_out(out: Path, force: bool) -> None:
    """Refuse a file that must not be written.

    Raises:
        ParamsError: it is a folder, or is there already and `force` is not given.
    """
    if out.is_dir():
        raise ParamsError(f"--out {out} is a folder; wanted is a file")
    if out.exists() and not force:
        raise ParamsError(f"{out} is there already; --force writes over it")
