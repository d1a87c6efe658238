"""`asd init`: a new workspace, from a preset or around somebody's own images."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from asd.cli.output import JsonOption, print_json
from asd.errors import ParamsError

_EXAMPLE = (
    "Example: asd init ~/trial --preset digits && cd ~/trial && asd run. "
    "Around your own images: asd init ~/mine --data ~/pictures"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", epilog=_EXAMPLE)(init)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder, or a git repository.")
    ],
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="See `asd list presets`.", show_default="digits")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Your images: class folders, Parquet, WebDataset tars, or a CSV of path and label.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --data: which CSV in that folder.", show_default=False),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(metavar="S", help="With --data: side in pixels to train at.", show_default=False),
    ] = None,
    as_drops: Annotated[
        bool,
        typer.Option("--as-drops", help="With --data: it is the first of many drops (`asd drop add`)."),
    ] = False,
    git: Annotated[bool, typer.Option("--git", help="Make a git repository there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace from a preset, or with --data around your own images.

    Inside a git repository nothing is staged or committed; run it again if it was cut short.
    With --data every image is looked at, and params.yaml says why for each choice; nothing is
    written where the data cannot be trained on.
    """
    if data is not None:
        if preset is not None:
            raise ParamsError("--preset and --data exclude each other: params come from one of them")
        _around(folder, data, labels, image_size, git, as_drops, as_json)
        return
    if labels is not None or image_size is not None or as_drops:
        raise ParamsError("--labels, --image-size and --as-drops go with --data PATH")
    from asd.new_workspace import create
    from asd.params import load_workspace

    name = preset or "digits"
    made = create(folder, name, git=git)
    if as_json:
        print_json(_made(made))
        return
    typer.echo(f"{made.root} is a workspace of preset {name}")
    params = load_workspace(made.root).params
    typer.echo(f"next: cd {folder} && asd {'run' if params.reproduce is None else 'reproduce all --dry-run'}")


def _made(made: Any) -> dict[str, Any]:
    return {"root": str(made.root), "in_git": made.in_git, "written": list(made.written)}


def _around(
    folder: Path,
    data: Path,
    labels: Path | None,
    image_size: int | None,
    git: bool,
    as_drops: bool,
    as_json: bool,
) -> None:
    from asd.own_data.report import as_facts, lines
    from asd.own_data.workspace import create_around
    from asd.progress import Reporter

    reporter = Reporter("init", data.name or str(data), sys.stderr)
    done = create_around(
        folder, data, reporter, labels=labels, image_size=image_size, git=git, as_drops=as_drops
    )
    if as_json:
        print_json(_made(done.made) | as_facts(done.survey, done.recipe))
        return
    for line in lines(done.survey, done.recipe):
        typer.echo(line)
    typer.echo(f"{done.made.root} is a workspace around data set {done.recipe.dataset}")
    if done.recipe.value(f"datasets.{done.recipe.dataset}.held_out"):
        typer.echo(
            "better than testing on a part of these, whose labels nobody vouches for: pictures of your own, "
            f"`asd source set {done.recipe.dataset}.test PATH`"
        )
    typer.echo(f"next: cd {folder}")
    if as_drops:
        first = shlex.quote(str(done.survey.form.source))
        typer.echo(f"      asd drop add {first} --source NAME   # whom it came from")
    typer.echo("      asd seeds sheet      # then `asd seeds add`, as it says")
    typer.echo("      asd run")
