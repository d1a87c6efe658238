"""`asd source`: where a data set comes from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.cli.output import WorkspaceOption, new_app, open_workspace
from asd.errors import ParamsError, nearest

if TYPE_CHECKING:
    from types import ModuleType

    from asd.params import Workspace
    from asd.sources import Files

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
    class folders or Parquet, looked at now. It replaces the test split, and is never trained on.
    """
    from asd import sources

    opened = open_workspace(workspace)
    layout = opened.layout
    name = dataset.removesuffix(sources.TEST)
    known = sorted({sources.SEEDS, *opened.params.datasets, *opened.registry("datasets").names()})
    if name not in known or dataset == sources.SEEDS + sources.TEST:
        raise ParamsError(f"no data set {dataset!r}{nearest(dataset, known)} (known: {', '.join(known)})")
    if name == dataset and name in opened.drop_datasets():
        raise ParamsError(f"data set {name} is made from drops: `asd drop add PATH --source NAME` adds one")
    if name != dataset:
        _look_at_test_set(opened, name, Path(location).expanduser().absolute())
    sources.set_source(layout, dataset, location, sha256, None if name != dataset else _files(opened, name))
    typer.echo(f"{dataset} comes from {location}; wrote {layout.source(name).relative_to(layout.root)}")
    if name != dataset:
        _use_test_folder(layout.root, name, opened.params.datasets.get(name))


def _files(workspace: Workspace, name: str) -> Files | None:
    """Which files of a folder count, where the data set takes a part of it."""
    from asd.datasets._obtain import chosen_files

    if name not in workspace.params.datasets and name not in workspace.registry("datasets").names():
        return None
    return chosen_files(*_plugin(workspace, name))


def _plugin(workspace: Workspace, name: str) -> tuple[ModuleType, Any]:
    """A data set's plug-in and its params, the defaults where `params.yaml` does not have it."""
    if name in workspace.params.datasets:
        variant = workspace.variant("datasets", name)
        return variant.module, variant.params
    module = workspace.registry("datasets").get(name)
    return module, module.Params()


def _look_at_test_set(workspace: Workspace, name: str, place: Path) -> None:
    """Refuse what `fetch` would refuse of a test set, as far as the set itself shows it."""
    from asd.datasets._test_folder import check_usable
    from asd.progress import Reporter

    if not place.exists():
        return  # said by who sets the source
    _, params = _plugin(workspace, name)
    check_usable(name, params, place, Reporter("source", f"{name}.test", sys.stderr))


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
