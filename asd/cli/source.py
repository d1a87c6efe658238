"""`asd source`: where a data set comes from."""

from __future__ import annotations

from typing import Annotated

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
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A data set, or `seeds`.")],
    location: Annotated[str, typer.Argument(metavar="PATH|URL", help="A folder, a file or an address.")],
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What the content must hash to.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Point a data set at a folder, file or address.

    The hash of the content goes to sources/DATASET.json (for git); the place, which differs
    from machine to machine, to .asd/sources.yaml.
    """
    from asd import sources

    opened = open_workspace(workspace)
    layout = opened.layout
    known = sorted({sources.SEEDS, *opened.params.datasets, *opened.registry("datasets").names()})
    if dataset not in known:
        raise ParamsError(f"no data set {dataset!r}{nearest(dataset, known)} (known: {', '.join(known)})")
    sources.set_source(layout, dataset, location, sha256)
    typer.echo(f"{dataset} comes from {location}; wrote {layout.source(dataset).relative_to(layout.root)}")
