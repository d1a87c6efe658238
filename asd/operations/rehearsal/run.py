"""`asd rehearse`: plant, train with and without the defense, write down what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asd.errors import AsdError, DataError, ParamsError
from asd.layout import Cell, Layout
from asd.operations.plan import ask_plan
from asd.operations.rehearsal import checks
from asd.operations.rehearsal.checks import Copied, Planting
from asd.operations.rehearsal.place import inputs_of, make_place, rehearsal_cells
from asd.operations.start import run_flows
from asd.params import Workspace
from asd.rehearsals import (
    Rehearsal,
    add_rehearsal,
    data_of,
    latest,
    read_rehearsals,
    recipe_of,
    sentence,
    standing,
)
from asd.run_lock import hold_workspace
from asd.ship.figures import accuracy, read_metrics, read_pools


@dataclass(frozen=True)
class Asked:
    """What somebody wants rehearsed; None: as the section `service` of `params.yaml` says."""

    cell: Cell
    attacks: tuple[str, ...] | None = None
    fraction: float | None = None
    target: str | None = None


class RehearsalError(AsdError):
    """The flow of a rehearsal failed or was stopped; with its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


Say = Callable[[str], None]
Flow = Callable[[Layout, Sequence[Cell]], int]


def rehearse(workspace: Workspace, asked: Asked, say: Say, flow: Flow) -> list[Rehearsal]:
    """Rehearse each attack; one whose inputs have not changed since its last rehearsal is not run again.

    Args:
        say: is told what happens.
        flow: brings cells of a workspace up to date and returns an exit code; `start_flow`.

    Returns:
        The lines of the asked attacks, in their order, old and new.

    Raises:
        ParamsError, DataError: something that must be so before is not; nothing was started.
        BusyError: another rehearsal runs here.
        RehearsalError: the flow ended with a failure; what is finished stays, and the next call goes on.
    """
    service, cell = workspace.params.service, asked.cell
    fraction = service.rehearse_fraction if asked.fraction is None else asked.fraction
    names = tuple(dict.fromkeys(asked.attacks or service.rehearse_attacks))
    checks.check_fraction(fraction)
    data = checks.read_copied(workspace, cell.dataset)
    checks.check_seeds(workspace, cell, data)
    plan = [checks.plan_attack(workspace, name, fraction, asked.target, data) for name in names]
    refuse_behind(workspace, cell)
    layout = Layout(workspace.layout.rehearsal)
    with hold_workspace(layout):
        place = make_place(workspace, cell, plan, data)
        return [_one(workspace, place, cell, one, data, say, flow) for one in plan]


def refuse_behind(workspace: Workspace, cell: Cell) -> None:
    """Refuse to copy data that the next run would fetch anew.

    Raises:
        ParamsError: `fetch` is stale; says why.
    """
    for stage in ask_plan(workspace.layout.root, [cell], look=True).stale:
        if stage.step == "fetch":
            raise ParamsError(
                f"the data of {cell.dataset} are not fetched yet as they are now ({stage.reason}): `asd run`"
            )


def start_flow(layout: Layout, cells: Sequence[Cell], *, quiet: bool = False) -> int:
    """`python -m flows` for cells of the rehearsal's workspace; with `quiet` all on standard error."""
    # a place that somebody set for production must not win over the copy
    env = {name: value for name, value in os.environ.items() if not name.startswith("ASD_SOURCE_")}
    return run_flows(layout.root, list(map(str, cells)), env=env, quiet=quiet)


def _one(
    workspace: Workspace,
    place: Workspace,
    cell: Cell,
    one: Planting,
    data: Copied,
    say: Say,
    flow: Flow,
) -> Rehearsal:
    inputs = inputs_of(place, cell, one.attack)
    for before in latest(read_rehearsals(workspace.layout), cell):
        if (before.attack, before.inputs) == (one.attack, inputs):
            say(f"{one.attack}: nothing new since {standing(workspace, before)}")
            return before
    aim = f", to be called {one.target!r}" if one.target else ""
    count = data.train.count
    say(f"rehearsal of {cell}: {one.attack} on {one.planted} samples of a copy of {count}{aim}")
    cells = rehearsal_cells(workspace, cell, one.attack)
    code = flow(place.layout, cells)
    if code:
        raise RehearsalError("the rehearsal is not finished; `asd rehearse` goes on from here", code)
    found = _result(workspace, place, cell, one, inputs)
    add_rehearsal(workspace.layout, found)
    return found


def _result(workspace: Workspace, place: Workspace, cell: Cell, one: Planting, inputs: str) -> Rehearsal:
    """The figures of both cells as one line."""
    bare, defended = rehearsal_cells(workspace, cell, one.attack)
    facts = _figures(place.layout, bare, defended)
    data = data_of(workspace.layout, cell.dataset)
    if data is None:
        raise DataError(f"data/fetched/{cell.dataset} went away during the rehearsal; `asd run`, then again")
    about: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": cell.dataset,
        "defense": cell.defense,
        "trial": cell.trial,
        "attack": one.attack,
        "fraction": one.section["poison_fraction"],
        "target": one.target,
        "data": data,
        "recipe": recipe_of(workspace, cell),
        "inputs": inputs,
        **facts,
    }
    return Rehearsal(**about, sentence=sentence(about))


def _figures(layout: Layout, bare: Cell, defended: Cell) -> dict[str, Any]:
    """What was measured, by the names of `Rehearsal`."""
    undefended, metrics = read_metrics(layout, bare), read_metrics(layout, defended)
    pools = read_pools(layout, defended)
    if undefended.get("asr") is None or metrics.get("asr") is None or not pools.get("planted"):
        raise DataError(f"{layout.root} lacks figures of {bare} or {defended}; delete it and rehearse again")
    planted, samples = int(pools["planted"]), int(pools["samples"])
    verdicts, interval = pools.get("verdicts"), metrics.get("asr_interval")
    caught = (pools.get("suspects") or {}).get("poisoned") if verdicts is not None else None
    rest = None if verdicts is None or caught is None else int(verdicts["suspect"]) - int(caught)
    return {
        "samples": samples,
        "n": int(metrics["n_asr"]),
        "asr_none": float(undefended["asr"]),
        "asr_defense": float(metrics["asr"]),
        "asr_base": metrics.get("asr_base"),
        "asr_interval": None if interval is None else (float(interval[0]), float(interval[1])),
        "planted": planted,
        "planted_called_suspect": caught,
        "rest": samples - planted,
        "rest_called_suspect": rest,
        "planted_in_final_pool": (pools.get("final") or {}).get("poisoned"),
        "acc_name": accuracy(layout, defended).name,
        "acc_none": accuracy(layout, bare).value,
        "acc_defense": accuracy(layout, defended).value,
    }
