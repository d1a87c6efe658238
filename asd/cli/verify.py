"""`asd verify`: hash everything again."""

from __future__ import annotations

from dataclasses import asdict

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json
from asd.errors import DataError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", epilog="Example: asd verify && dvc push")(verify)


def verify(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Look for damaged shards, results and caches.

    Everything is read and hashed again, remotes that are local folders too; exit 3 if
    anything is broken.
    """
    from asd.verify import verify_workspace

    findings = verify_workspace(find_workspace(workspace))
    if as_json:
        print_json(asdict(findings))
    else:
        for one in findings.broken:
            typer.echo(f"BROKEN {one.place}: {one.problem}\n       {one.cure}")
        for text in findings.skipped:
            typer.echo(f"not checked: {text}")
        typer.echo("checked " + ", ".join(f"{count} {kind}" for kind, count in findings.checked.items()))
    if findings.broken:
        raise DataError(f"{len(findings.broken)} broken; see above" if not as_json else "broken data found")
