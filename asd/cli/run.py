"""`asd run`: bring cells up to date."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import WorkspaceOption, find_workspace
from asd.errors import AsdError, GateError, ParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asd.layout import Cell, Layout
    from asd.params import Workspace

_EXAMPLE = "Example: asd run 'digits/*/asd' -S defenses.asd.stage3.gamma=0.6"


_ACCEPT = "seeds.sift.accept_risk=true"


class Engine(StrEnum):
    """Who orders the stages."""

    prefect = "prefect"
    dvc = "dvc"


EngineOption = Annotated[Engine, typer.Option(help="prefect: the flow; dvc: one plain `dvc repro`.")]
JobsOption = Annotated[
    int, typer.Option(min=1, metavar="N", envvar="ASD_JOBS", help="Stages at the same time.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Show what dvc and Prefect say too.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", epilog=_EXAMPLE)(run)


def run(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CELL]...",
            help="dataset/attack/defense/trial; globs allowed, a missing tail means all. Default: all.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="Change params.yaml first; may be repeated."),
    ] = None,
    accept_risk: Annotated[
        bool, typer.Option("--accept-risk", help="The same as -S seeds.sift.accept_risk=true.")
    ] = False,
    engine: EngineOption = Engine.prefect,
    jobs: JobsOption = 1,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what is stale, why, and about how long it takes; run nothing."),
    ] = False,
    verbose: VerboseOption = False,
    workspace: WorkspaceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print the facts as JSON.")] = False,
) -> None:
    """Bring cells up to date, then print the table and where the reports are.

    Where gates are set they are checked at the end; if all hold, the model of the one cell on
    unplanted data (or of gates.promote) becomes models/current.
    """
    from asd.cells import select_cells
    from asd.cli import dry_run as dry_run_page
    from asd.layout import Layout
    from asd.operations.start import STOPPED
    from asd.run_lock import hold_workspace

    changes = [*(changes or []), *([_ACCEPT] if accept_risk else [])]
    if dry_run and changes:
        raise ParamsError("--dry-run runs and changes nothing: give it without -S and --accept-risk")
    if as_json and not dry_run:
        raise ParamsError("--json goes with --dry-run; `asd table --json` has the results of a run")
    root = find_workspace(workspace)
    with hold_workspace(Layout(root)):
        ready = prepare(root, changes, quiet=as_json)
        chosen = select_cells(ready.cells(), cells or [])
        if dry_run:
            dry_run_page.show(ready, chosen, jobs, as_json=as_json, verbose=verbose)
            return
        options = [f"--engine={engine}", f"--jobs={jobs}"]
        options += ["--verbose"] if verbose else []
        code = _start(root, [*options, *map(str, chosen)])
        note_revisions(ready.layout)  # what was stopped half way may have finished some cells
        if code == 0:
            _judge(ready, chosen)
    if code in STOPPED:
        typer.echo("stopped; `asd run` goes on from here", err=True)
    raise typer.Exit(code)


def prepare(root: Path, changes: list[str], *, quiet: bool) -> Workspace:
    """Change and complete params, refresh `asd.lock`, and check every variant before anything runs."""
    from asd.layout import Layout
    from asd.operations.run_record import params_changed
    from asd.params_file import check_engines, check_variants, set_params
    from asd.readiness import make_ready
    from asd.ship.gates import refuse_impossible

    def refuse(workspace: Workspace) -> None:
        refuse_impossible(workspace)
        if any(change.strip().startswith(("cells.", "defenses.", "seeds.")) for change in changes):
            check_engines(workspace)

    if changes:
        difference = set_params(root, changes, also=refuse)
        typer.echo(difference or "params.yaml: no change")
    ready = make_ready(root)
    if ready.added_params:
        typer.echo(f"params.yaml: added {', '.join(ready.added_params)}", err=quiet)
    if ready.changed_code:
        typer.echo(f"asd.lock: changed {', '.join(ready.changed_code)}", err=quiet)
    check_variants(ready.workspace)
    refuse_impossible(ready.workspace)
    layout = Layout(root)
    if params_changed(layout) or not layout.run_record.exists():  # else not: engines import torch
        check_engines(ready.workspace)
    return ready.workspace


def note_revisions(layout: Layout) -> None:
    """Let `asd audit` find these results when others have taken their place."""
    from asd.audit.journal import note_states

    try:
        note_states(layout)
    except AsdError as error:  # the run itself went well
        typer.echo(f"asd: {error}", err=True)


def _judge(workspace: Workspace, chosen: Sequence[Cell]) -> None:
    """Hold the gates against the cells of this run, and promote the one that may be."""
    from asd.ship.causes import likely_cause
    from asd.ship.promotion import after_run

    try:
        for line in after_run(workspace, chosen):
            typer.echo(line)
    except GateError:
        cause = likely_cause(workspace.layout, chosen)
        if cause:
            typer.echo(f"asd: {cause}", err=True)
        raise


def _start(root: Path, arguments: list[str]) -> int:
    from asd.operations.start import run_flows

    return run_flows(root, arguments)
