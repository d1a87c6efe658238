"""`asd serve`: the service."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from asd.cli.output import WorkspaceOption, find_workspace

_EXAMPLE = "Example: asd serve --port 8765, then put a folder of images into inbox/SOURCE/NAME"
_STOPPED = (129, 130, 143)  # by SIGHUP, SIGINT, SIGTERM
_Port = Annotated[int, typer.Option(metavar="P", min=1, max=65535, help="Port of the audit page.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", epilog=_EXAMPLE)(serve)


def serve(
    host: Annotated[
        str,
        typer.Option(metavar="H", help="Address of the audit page; others than this machine need tokens."),
    ] = "127.0.0.1",
    port: _Port = 8765,
    prefect_port: Annotated[
        int,
        typer.Option(
            metavar="P",
            min=1,
            max=65535,
            help="Port of the Prefect server, unless PREFECT_API_URL names one.",
        ),
    ] = 4200,
    no_runner: Annotated[
        bool, typer.Option("--no-runner", help="The runs are those of a work pool (prefect.yaml).")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what Prefect says too.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Watch the inbox, run what arrives and what is due, and serve the audit page. Ctrl-C ends it.

    A drop is a folder or file at inbox/SOURCE/NAME. It counts as whole when NAME/.complete is there
    (beside a file: NAME.complete), or when nothing of it has changed for service.quiet_seconds.
    Schedules, inbox and what to do with results stand in params.yaml, section `service`.
    """
    from asd.lifeline import run_and_forward

    root = find_workspace(workspace)
    command = [
        *(sys.executable, "-m", "flows.serve", f"--workspace={root}", f"--host={host}"),
        *(f"--port={port}", f"--prefect-port={prefect_port}"),
        *(["--no-runner"] if no_runner else []),
        *(["--verbose"] if verbose else []),
    ]
    sys.stdout.flush()
    code = run_and_forward(command, cwd=root, env=os.environ)
    if code in _STOPPED:
        typer.echo("stopped; `asd serve` goes on from here", err=True)
    raise typer.Exit(code)
