"""`asd export`: the training data for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = "Example: asd export digits ~/trusted --format parquet --cell digits/badnets/asd/0 "
    app.command("export", epilog=example + "--only seed,clean,hard-clean")(export)


def export(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A data set of the workspace.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; new or empty.")],
    form: Annotated[str, typer.Option("--format", help="webdataset, parquet or imagefolder.")],
    only: Annotated[
        str | None,
        typer.Option(metavar="VERDICTS", help="Samples with these verdicts alone; commas between."),
    ] = None,
    cell: Annotated[
        str | None, typer.Option(metavar="CELL", help="The run whose verdicts count; brings its attack.")
    ] = None,
    attack: Annotated[
        str | None, typer.Option(metavar="A", help="With this attack planted; default: as published.")
    ] = None,
    with_truth: Annotated[
        bool, typer.Option("--with-truth", help="Write what was planted too, and the test pictures.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a stand-alone copy of the training data.

    The samples go to DIR with an index.csv of key, label, class, verdict and source. What was
    planted is not said unless asked for: --with-truth (with --attack or --cell) adds each sample's
    role and label before, the test split and the triggered test set, as attack `imported` reads them.
    """
    from asd import export as exporting

    opened = open_workspace(workspace)
    verdicts = tuple(word.strip() for word in only.split(",")) if only is not None else ()
    wanted = exporting.choose(opened, dataset, cell=cell, attack=attack, only=verdicts, with_truth=with_truth)
    counts = exporting.export(opened, wanted, folder, form)
    if as_json:
        print_json({"directory": str(folder.resolve()), "format": form, **counts})
        return
    typer.echo(f"wrote {counts['samples']} of {counts['of']} samples to {folder} ({form})")
    if with_truth:
        typer.echo(f"and {counts['test']} test pictures, {counts['triggered']} triggered ones")
    for kind in ("verdicts", "classes"):
        present = [f"{name} {count}" for name, count in (counts[kind] or {}).items() if count]
        if present:
            typer.echo(f"{kind}: {', '.join(present)}")
