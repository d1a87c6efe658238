"""Bringing one data set here, for commands that need it before any run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from asd.layout import Layout


def is_fetched(layout: Layout, dataset: str) -> bool:
    """Whether the training data lies in the workspace."""
    from asd.shards.manifest import MANIFEST

    return (layout.fetched(dataset, "train") / MANIFEST).is_file()


def ensure_fetched(layout: Layout, dataset: str, *, quiet: bool = False) -> None:
    """Run the step `fetch` of a data set if its training data is not there, as `asd run` would.

    Raises:
        BusyError: a run works in the workspace.
        typer.Exit: the step failed and has said why; with its exit code.
    """
    from asd.lifeline import run_and_forward
    from asd.readiness import make_ready
    from asd.run_lock import hold_workspace

    if is_fetched(layout, dataset):
        return
    typer.echo(f"data set {dataset} is not fetched yet; fetching it", err=quiet)
    sys.stdout.flush()
    with hold_workspace(layout):
        make_ready(layout.root)
        command = [sys.executable, "-m", "flows._fetch", str(layout.root), dataset]
        code = run_and_forward(command, cwd=layout.root, env=os.environ, quiet=quiet)
    if code:
        raise typer.Exit(code)
