"""`asd status`: where a workspace stands."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json

if TYPE_CHECKING:
    from asd.operations.status import Running, Status


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", epilog="Example: asd status --json")(status)


def status(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what runs, what is stale and why, and what needs you.

    Also the gates, the current model and the last rehearsals. Nothing is changed, and nothing is run.
    """
    from asd.operations.status import status_of

    found = status_of(open_workspace(workspace))
    if as_json:
        cells = [{"cell": str(one.cell), "state": one.state, "why": one.why} for one in found.cells]
        print_json({**asdict(found), "cells": cells})
        return
    _say_running(found.running)
    _say_cells(found)
    gates = ", ".join(f"{name} {value}" for name, value in found.gates.items())
    typer.echo(f"gates: {gates or 'none in params.yaml'}")
    _say_model(found)
    _say_rehearsals(found)
    for text in found.needs_you:
        typer.echo(f"needs you: {text}")
    if not found.needs_you:
        typer.echo("needs you: nothing")


def _say_running(running: Running | None) -> None:
    if running is None:
        typer.echo("runs: nothing")
        return
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(running.since))
    typer.echo(f"runs: asd run (process {running.pid}) since {began}")
    for name, text in running.stages:
        step, _, item = name.partition("@")
        typer.echo(f"  {step} {item.replace('-', '/')}: {text or 'started'}")


def _say_cells(found: Status) -> None:
    if found.plan_error:
        typer.echo(f"dvc could not be asked, so this is as the last run left it: {found.plan_error}")
    width = max(len(str(one.cell)) for one in found.cells)
    for one in found.cells:
        typer.echo(f"{one.cell!s:{width}}  {one.state:7}  {one.why}".rstrip())


def _say_model(found: Status) -> None:
    if found.model is None:
        typer.echo("model: none yet (models/current)")
    elif "problem" in found.model:
        typer.echo(f"model: {found.model['problem']}")
    else:
        said = [f"{key} {found.model[key]}" for key in ("cell", "weights_sha256") if key in found.model]
        typer.echo(f"model: models/current{': ' if said else ''}{', '.join(said)}")


def _say_rehearsals(found: Status) -> None:
    if found.rehearsing is not None:
        typer.echo(f"rehearsal: runs (process {found.rehearsing})")
    for one in found.rehearsals:
        if not one.last:
            typer.echo(f"rehearsal of {one.cell}: none yet (`asd rehearse`)")
        for facts in one.last:
            when = f"{facts['day']} ({facts['age']}; {facts['changes']})"
            typer.echo(f"rehearsal of {one.cell} with {facts['attack']}, {when}: {facts['sentence']}")
