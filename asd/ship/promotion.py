"""Making a cell's model the current one: only when every gate holds, and never silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asd import store
from asd.layout import Cell
from asd.params import Workspace
from asd.ship import gates
from asd.ship.current import PROMOTION_FILE, Promotion, current, history, make_current
from asd.ship.gates import Outcome
from asd.ship.provenance import need_results


@dataclass(frozen=True)
class Promoted:
    """The current model after a promotion; `is_new` is False where it was current already."""

    promotion: Promotion
    folder: Path
    outcomes: tuple[Outcome, ...]
    is_new: bool

    def __str__(self) -> str:
        held = (
            f"{len(self.outcomes)} gate{'s hold' if len(self.outcomes) > 1 else ' holds'}"
            if self.outcomes
            else "no gate is set"
        )
        verb = "is now" if self.is_new else "is already"
        return f"{self.promotion.cell} {verb} models/current ({self.folder.name} in the history; {held})"


def promote(workspace: Workspace, cell: Cell) -> Promoted:
    """Export a cell into the history and make it current.

    Raises:
        ParamsError: no defense, or the cell is not finished.
        GateError: a gate fails or was not measured, or a format differs from the trained network.
    """
    gates.refuse_undefended(workspace, cell)
    need_results(workspace, cell)
    outcomes = tuple(gates.judge_promotion(workspace, cell))
    gates.refuse_failed(outcomes)
    layout = workspace.layout
    wanted, now = _describe(workspace, cell, outcomes), current(layout)
    if now is not None and now.same_model(wanted):
        return Promoted(now, layout.model_history / now.folder, outcomes, is_new=False)
    folder = layout.model_history / wanted.folder
    _export(workspace, cell, folder, wanted)
    make_current(layout, wanted)
    return Promoted(wanted, folder, outcomes, is_new=True)


def _describe(workspace: Workspace, cell: Cell, outcomes: Sequence[Outcome]) -> Promotion:
    from asd.shards.manifest import read_manifest
    from asd.ship import figures

    layout = workspace.layout
    accuracy = figures.accuracy(layout, cell)
    success = {
        f"asr {twin.attack}": figures.attack_success(layout, twin).value
        for twin in figures.planted_twins(workspace, cell)
    }
    before = current(layout)
    return Promotion(
        number=max((entry.number for entry in history(layout)), default=0) + 1,
        cell=str(cell),
        weights_sha256=store.file_sha256(layout.stage(cell, 3) / "model.safetensors"),
        data_revision=read_manifest(layout.fetched(cell.dataset, "train")).sha256,
        figures={accuracy.name: accuracy.value, **success},
        gates=[str(outcome) for outcome in outcomes],
        replaces=before.number if before else None,
    )


def _export(workspace: Workspace, cell: Cell, folder: Path, promotion: Promotion) -> None:
    from asd.ship.export import default_formats, write  # imports torch

    with store.atomic_directory(folder) as temporary:
        write(workspace, cell, temporary, default_formats())
        store.write_json(temporary / PROMOTION_FILE, asdict(promotion))


def after_run(workspace: Workspace, cells: Sequence[Cell]) -> list[str]:
    """What `asd run` does at its end: judge its cells, then promote one; lines to print.

    Where no gate is set nothing is promoted. The rule of which cell is `gates.promoted_cell`.

    Raises:
        GateError: a gate does not hold; the current model stays.
    """
    if not workspace.params.gates.limits():
        ready = gates.promoted_cell(workspace)
        return (
            [f"next: `asd model export {ready} DIR`, or gates (`asd run -S gates.least_acc=0.9`)"]
            if ready in cells
            else []
        )
    outcomes = gates.judge_run(workspace, cells)
    gates.refuse_failed(outcomes)
    lines = [outcome.told() for outcome in outcomes]
    cell = gates.promoted_cell(workspace)
    if cell is None:
        found = len(gates.unplanted(workspace))
        return [
            *lines,
            f"nothing promoted: {found} cells with a defense are on unplanted data, wanted one "
            "(or name a cell in gates.promote)",
        ]
    if cell not in cells:
        return [*lines, f"nothing promoted: {cell} is not among the cells of this run"]
    return [*lines, str(promote(workspace, cell))]
