"""`asd source`: where a data set comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from asd.cli.output import WorkspaceOption, new_app, open_workspace
from asd.errors import ParamsError, nearest

_EXAMPLE = "Example: asd source set cifar10 ~/data/cifar10"


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app("Say where a data set comes from.")

    @group.callback()
    def keep_the_group() -> None:
        """Say where a data set comes from."""

    group.command("set", epilog=_EXAMPLE)(set_source)
    app.add_typer(group, name="source")


def set_source(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A data set, DATASET.test, or `seeds`.")],
    location: Annotated[str, typer.Argument(metavar="PATH|URL", help="A folder, a file or an address.")],
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What the content must hash to.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Point a data set at a folder, file or address.

    The hash of the content goes to sources/DATASET.json (for git); the place, which differs
    from machine to machine, to .asd/sources.yaml. DATASET.test is a test set that you vouch for:
    class folders or Parquet. It replaces the test split, and is never trained on.
    """
    from asd import sources

    opened = open_workspace(workspace)
    layout = opened.layout
    name = dataset.removesuffix(sources.TEST)
    known = sorted({sources.SEEDS, *opened.params.datasets, *opened.registry("datasets").names()})
    if name not in known or dataset == sources.SEEDS + sources.TEST:
        raise ParamsError(f"no data set {dataset!r}{nearest(dataset, known)} (known: {', '.join(known)})")
    sources.set_source(layout, dataset, location, sha256)
    typer.echo(f"{dataset} comes from {location}; wrote {layout.source(name).relative_to(layout.root)}")
    if name != dataset:
        _use_test_folder(layout.root, name, opened.params.datasets.get(name))


def _use_test_folder(root: Path, name: str, section: Mapping[str, Any] | None) -> None:
    """Let params say `test: folder`; prints what changed."""
    from asd.params_file import set_params

    changes = [f"datasets.{name}.test=folder"]
    if section is None:
        changes.insert(0, f"datasets.{name}.use={name}")
    elif section.get("held_out") is not None:
        changes.insert(0, f"datasets.{name}.held_out=null")
    if changed := set_params(root, changes):
        typer.echo(changed)
