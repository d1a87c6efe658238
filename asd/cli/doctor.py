"""`asd doctor`: is this machine ready?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json, workspace_above
from asd.errors import ParamsError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Example: asd doctor --json")(doctor)


def doctor(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say whether this machine is ready.

    Each line is ok, warn or fail, with what to do; exit 2 if something failed.
    """
    from asd.operations.doctor import examine

    root = find_workspace(workspace) if workspace else workspace_above(Path.cwd())
    checks = examine(root)
    failed = [check.name for check in checks if check.state == "fail"]
    if as_json:
        print_json({"ready": not failed, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            cure = f"  -> {check.cure}" if check.state != "ok" else ""
            typer.echo(f"{check.state:4}  {check.name:15} {check.detail}{cure}")
    if failed:
        raise ParamsError(f"not ready: {', '.join(failed)}")
