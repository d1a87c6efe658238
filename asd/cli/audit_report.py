"""`asd audit report`: the page that `audit` wrote, as a file to send or as facts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from asd.cli.audit_common import CellOption, find_one, open_audit
from asd.cli.output import JsonOption, WorkspaceOption, print_json, refuse_out
from asd.errors import DataError


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("report", epilog="Example: asd audit report --cell digits/badnets/asd/0 --out audit.html")(
        report
    )


def report(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Copy the page to this file.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE.")] = False,
    cell: CellOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where the report of a run is: one HTML file, complete in itself, to open or to send.

    With --json its facts are printed. The step `audit` writes both; an earlier run (CELL@previous)
    has its own. FILE and the facts also tell of the last rehearsals (`asd rehearse`).
    """
    from asd import store
    from asd.audit.runs import CURRENT
    from asd.rehearsals import rehearsal_facts

    opened = open_audit(workspace)
    run = find_one(opened, cell)
    source = run.report_facts if as_json else run.report
    if not source.is_file():
        raise DataError(f"{run.name} has no {source.name}: `asd run {run.cell}` writes it")
    rehearsals = rehearsal_facts(opened, run.cell) if run.revision == CURRENT else []
    if out is not None:
        _copy(run.report, out, force, rehearsals)
    if as_json:
        print_json({**store.read_json(source), "rehearsals": rehearsals})
        return
    typer.echo(out or source)


def _copy(page: Path, out: Path, force: bool, rehearsals: list[dict[str, Any]]) -> None:
    from asd.audit.rehearsal_section import with_rehearsals
    from asd.store import atomic_file

    refuse_out(out, force)
    with atomic_file(out) as temporary:
        temporary.write_text(with_rehearsals(page.read_text(encoding="utf-8"), rehearsals), encoding="utf-8")
