"""`asd run --dry-run`: what is stale and why, how long it will take, and what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from asd.cli.output import print_json

if TYPE_CHECKING:
    from asd.layout import Cell
    from asd.operations.forecast import Forecast
    from asd.operations.plan import Plan
    from asd.operations.space import Need
    from asd.params import Workspace


def show(workspace: Workspace, cells: Sequence[Cell], jobs: int, *, as_json: bool, verbose: bool) -> None:
    """Print the plan at once, then measure and print the estimate; as JSON all in one."""
    from asd.operations.forecast import forecast
    from asd.operations.missing import missing_seeds, unknown_sizes
    from asd.operations.plan import ask_plan
    from asd.operations.space import needs

    plan = ask_plan(workspace.layout.root, cells, verbose=verbose)
    unknown, seedless = unknown_sizes(workspace, plan.stale), missing_seeds(workspace, plan.stale)
    if not as_json:
        _say_plan(plan, measured=not unknown)
        _say_missing(workspace, unknown, seedless)
    if not plan.stale:
        if as_json:
            print_json({**_facts(plan, None, []), "not_fetched": unknown, "missing_seeds": seedless})
        return
    found = forecast(workspace, plan)
    wanted = needs(workspace, plan.stale, found, jobs)
    if as_json:
        print_json({**_facts(plan, found, wanted), "not_fetched": unknown, "missing_seeds": seedless})
    elif found.seconds or not unknown:
        _say_times(found, jobs)
        _say_needs([need for need in wanted if need.needed or not unknown])


def show_nothing(*, as_json: bool) -> None:
    """The plan of what needs no cell."""
    from asd.operations.plan import Plan

    if as_json:
        print_json({**_facts(Plan((), 0.0), None, []), "not_fetched": [], "missing_seeds": []})
    else:
        typer.echo("nothing to run: these are made from what is here")


def _facts(plan: Plan, found: Forecast | None, wanted: Sequence[Need]) -> dict[str, Any]:
    times = {one.stage.name: one for one in found.times} if found else {}
    stale = [
        {
            "stage": stage.name,
            "reason": stage.reason,
            "seconds": times[stage.name].seconds,
            "how": times[stage.name].how,
        }
        for stage in plan.stale
    ]
    return {
        "stages": len(plan.stages),
        "stale": stale,
        "seconds": round(found.seconds, 1) if found else 0.0,
        "unknown": [stage.name for stage in found.unknown] if found else [],
        "device": found.device if found else None,
        "needs": [{**asdict(need), "short": need.short} for need in wanted],
    }


def _say_plan(plan: Plan, *, measured: bool) -> None:
    if not plan.stale:
        typer.echo(f"nothing to do: all {len(plan.stages)} stages are up to date")
        return
    for stage in plan.stale:
        typer.echo(f"{stage}: {stage.reason}")
    then = "; measuring how long they take ..." if measured else ""
    typer.echo(f"{len(plan.stale)} of {len(plan.stages)} stages are stale{then}")


def _say_missing(workspace: Workspace, unknown: Sequence[str], seedless: Sequence[str]) -> None:
    from asd.operations.missing import sheet_command

    for text in seedless:
        typer.echo(f"WARNING: a run would stop: {text}")
    if unknown:
        first = "`asd run` fetches first"
        if seedless and workspace.params.seeds.use == "keys":
            first = f"first type `{sheet_command(workspace, unknown[0])}`, which fetches"
        typer.echo(
            f"time, disk and memory: the size of {', '.join(unknown)} is known after fetch; {first}, then "
            "`asd run --dry-run` says more"
        )


def _say_times(found: Forecast, jobs: int) -> None:
    for one in found.times:
        if one.seconds is not None:
            typer.echo(f"{one.stage}: about {duration(one.seconds)} ({one.how})")
    least = "at least " if found.unknown else ""
    where = f", measured on {found.device}" if found.device else ""
    after = f" one after the other; --jobs {jobs} may be quicker" if jobs > 1 else ""
    typer.echo(f"time: {least}about {duration(found.seconds)}{after}{where}")
    if found.unknown:
        names = ", ".join(map(str, found.unknown[:4])) + (" ..." if len(found.unknown) > 4 else "")
        typer.echo(f"time not known of {len(found.unknown)} stages, which never ran here: {names}")


def _say_needs(wanted: Sequence[Need]) -> None:
    for need in wanted:
        typer.echo(f"{need.what}: about {size(need.needed)} needed, {size(need.there)} there")
        if need.short:
            typer.echo(f"WARNING: {need.what} is short by {size(need.needed - need.there)}; {need.cure}")


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """`120 MB`, `3.5 GB` (powers of ten)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} B"
