"""Where a workspace stands: what runs, which cells are current, the gates, the model, what needs a person."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd import sources, store
from asd.drop_records import read_records, union
from asd.errors import AsdError
from asd.layout import Cell, Layout
from asd.operations.plan import Plan, ask_plan
from asd.operations.run_record import Mark, cell_mark, read_marks, stages_of
from asd.params import Workspace
from asd.rehearsals import can_rehearse, rehearsal_facts
from asd.run_lock import holder
from asd.seed_params import OUTSIDE, SIFT_REFUSED
from asd.ship import gates

_LOW_DISK = 5 * 10**9


@dataclass(frozen=True)
class Running:
    """The run that holds the workspace, and what its stages said last; `since` in epoch seconds."""

    pid: int
    since: float
    stages: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CellState:
    """`done`, `stale`, `failed` or `running`, and the stage and reason behind it."""

    cell: Cell
    state: str
    why: str


@dataclass(frozen=True)
class Rehearsed:
    """A cell that can be rehearsed, and its last rehearsal with each attack (`rehearsal_facts`)."""

    cell: str
    last: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Status:
    """All that `asd status` says; `plan_error` where DVC could not be asked.

    `rehearsing` is the process that rehearses now.
    """

    running: Running | None
    cells: tuple[CellState, ...]
    plan_error: str | None
    gates: dict[str, Any]
    model: dict[str, Any] | None
    needs_you: tuple[str, ...]
    rehearsals: tuple[Rehearsed, ...] = ()
    rehearsing: int | None = None


def status_of(workspace: Workspace) -> Status:
    """Look at the workspace; changes nothing, and asks DVC only while nothing runs."""
    layout, cells = workspace.layout, workspace.cells()
    marks = read_marks(layout)
    running = _running(layout, marks)
    plan, plan_error = None, None
    if running is None:
        try:
            plan = ask_plan(layout.root, cells, look=True)
        except AsdError as error:
            plan_error = str(error)
    model, limits = _model(layout), _gates(workspace)
    states = tuple(_cell(layout, cell, marks, plan) for cell in cells)
    rehearsals, damaged = _rehearsals(workspace, cells)
    return Status(
        running=running,
        cells=states,
        plan_error=plan_error,
        gates=limits,
        model=model,
        needs_you=(
            *_needs(workspace, cells),
            *_cell_needs(workspace, states),
            *(damaged or _gate_needs(workspace, states)),
        ),
        rehearsals=rehearsals,
        rehearsing=holder(Layout(layout.rehearsal)),
    )


def _running(layout: Layout, marks: dict[str, Mark]) -> Running | None:
    pid = holder(layout)
    if pid is None:
        return None
    import psutil

    try:
        since = psutil.Process(pid).create_time()
    except psutil.Error:
        since = time.time()
    found = tuple((name, mark.text) for name, mark in marks.items() if mark.state == "running")
    return Running(pid, since, found)


def _cell(layout: Layout, cell: Cell, marks: dict[str, Mark], plan: Plan | None) -> CellState:
    """What DVC says is stale; a failure of the last run explains it better."""
    if plan is None:
        mark = cell_mark(marks, cell)
        if mark is None:
            done = layout.metrics(cell).exists()
            return CellState(cell, "done" if done else "stale", "" if done else "no results")
        return CellState(cell, mark[1].state, f"{mark[0].partition('@')[0]}: {mark[1].text}")
    needed = set(stages_of(cell))
    stale = [stage for stage in plan.stale if stage.name in needed]
    for stage in stale:
        known = marks.get(stage.name)
        if known is not None and known.state == "failed":
            return CellState(cell, "failed", f"{stage.step}: {known.text}")
    if not stale:
        return CellState(cell, "done", "")
    more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
    return CellState(cell, "stale", f"{stale[0].step}: {stale[0].reason}{more}")


# -- model and gates ---------------------------------------------------------------------------


def _model(layout: Layout) -> dict[str, Any] | None:
    """`models/current/model.json`; None where there is no current model."""
    path = layout.root / "models" / "current" / "model.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return {"problem": f"{path} is not valid JSON"}
    return found if isinstance(found, dict) else {"problem": f"{path} holds no facts"}


def _gates(workspace: Workspace) -> dict[str, Any]:
    """The gates that params ask for."""
    found = workspace.params.gates.model_dump(mode="json")
    return {name: value for name, value in found.items() if value is not None}


def _rehearsals(workspace: Workspace, cells: Sequence[Cell]) -> tuple[tuple[Rehearsed, ...], list[str]]:
    """What was rehearsed of the cells that can be, or what is wrong with the file."""
    wanted = [cell for cell in cells if can_rehearse(workspace, cell)]
    try:
        found = [Rehearsed(str(cell), tuple(rehearsal_facts(workspace, cell))) for cell in wanted]
    except AsdError as error:
        return (), [str(error)]
    return tuple(found), []


# -- what needs a person -----------------------------------------------------------------------


def _needs(workspace: Workspace, cells: Sequence[Cell]) -> list[str]:
    layout = workspace.layout
    found = [_source_need(workspace, dataset) for dataset in workspace.params.cells.datasets]
    found += [_seed_need(workspace), _disk_need(layout.root), *_held_drops(layout)]
    if code_changed(workspace):
        found.append(
            "the installed code is newer than asd.lock: `asd run` takes it in and reruns what it changes"
        )
    return [text for text in found if text] + [text for cell in cells for text in _warnings(layout, cell)]


def _cell_needs(workspace: Workspace, states: Sequence[CellState]) -> list[str]:
    """`asd run` would run every combination, of which a workspace for the paper's tables uses a few."""
    command = "asd run" if workspace.params.reproduce is None else "asd reproduce all"
    found = [
        f"{one.cell} failed: {one.why}; mend it, then `asd run`" for one in states if one.state == "failed"
    ]
    stale = sum(one.state == "stale" for one in states)
    return [*found, *([f"`{command}`: {stale} of {len(states)} cells are not up to date"] if stale else [])]


def _gate_needs(workspace: Workspace, states: Sequence[CellState]) -> list[str]:
    """Gates that no run can pass, or that finished cells do not keep."""
    try:
        gates.refuse_impossible(workspace)
    except AsdError as error:
        return [str(error)]
    if not workspace.params.gates.limits():
        return []
    done = [one.cell for one in states if one.state == "done"]
    return [outcome.told() for outcome in gates.judge_run(workspace, done) if not outcome.holds]


def code_changed(workspace: Workspace) -> bool:
    """Whether `asd.lock` is not that of the installed code."""
    from asd.code_lock import current, recorded

    return recorded(workspace.layout) != current(workspace)


def _source_need(workspace: Workspace, dataset: str) -> str:
    """A data set that neither holds its data nor can be downloaded needs a place."""
    layout = workspace.layout
    module = workspace.variant("datasets", dataset).module
    if getattr(module, "EMBEDDED", False) or hasattr(module, "downloads"):
        return ""
    if layout.fetched(dataset, "train").is_dir():
        return ""
    if getattr(module, "WORKSPACE", False):
        return "" if union(layout) else "no accepted drop yet: `asd drop add PATH --source NAME`"
    try:
        place = sources.resolve_source(layout, dataset)
    except AsdError as error:
        return str(error)
    return "" if place else f"data set {dataset} has no source: `asd source set {dataset} PATH`"


def _seed_need(workspace: Workspace) -> str:
    layout, seeds = workspace.layout, workspace.params.seeds
    tell = "`asd seeds sheet` helps to choose them"
    if seeds.use in OUTSIDE:
        try:
            place = sources.resolve_source(layout, sources.SEEDS)
        except AsdError as error:
            return str(error)
        return "" if place else f"no seeds yet: `asd source set seeds PATH`, or {tell}"
    if seeds.use == "oracle":
        return ""
    if seeds.use == "sift":
        return "" if seeds.sift.accept_risk else SIFT_REFUSED
    named = str(getattr(seeds, "keys_file", "trusted.csv"))
    files = [layout.seeds_by_people / name for name in (named, "trusted.csv")]
    return "" if any(file.is_file() for file in files) else f"no seeds yet: {tell}"


def _held_drops(layout: Layout) -> list[str]:
    """Drops that wait for a person."""
    try:
        held = [record for record in read_records(layout) if record.status == "held"]
    except AsdError as error:
        return [str(error)]
    return [
        f"drop {one.number} from {one.source} is held: {'; '.join(one.held_because)}: "
        f"`asd drop show {one.number}`"
        for one in held
    ]


def _disk_need(root: Path) -> str:
    free = shutil.disk_usage(root).free
    if free >= _LOW_DISK:
        return ""
    return f"only {free / 1e9:.1f} GB of disk are free at {root}: `asd clean --dry-run` says what can go"


def _warnings(layout: Layout, cell: Cell) -> list[str]:
    """What the collapse guard said in the last run of a cell."""
    for stage in (3, 2, 1):
        path = layout.stage(cell, stage) / "state.json"
        if path.is_file():
            warnings = store.read_json(path).get("warnings", [])
            more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
            return [f"{cell}: the collapse guard warns: {warnings[-1]}{more}"] if warnings else []
    return []
