"""Gates: figures of a run held against the limits of `params.yaml`. Imports no torch.

They judge cells with a defense; the undefended twin `none` is there to fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asd.cells import select_cells
from asd.errors import GateError, ParamsError
from asd.layout import Cell
from asd.params import Workspace
from asd.rehearsals import age, can_rehearse
from asd.ship import figures
from asd.ship.figures import Figure, is_defended, is_planted, planted_twins


@dataclass(frozen=True)
class Outcome:
    """One gate held against one figure; `holds` is None where the figure was not measured."""

    gate: str
    limit: float
    figure: Figure
    holds: bool | None

    def __str__(self) -> str:
        wanted = f"wanted {'at least' if self.gate.startswith('least') else 'at most'} {self.limit:g}"
        verdict = {True: "holds", False: "fails", None: "not measured"}[self.holds]
        if self.holds is None:
            return f"gates.{self.gate} was not measured: {self.figure.missing} ({self.figure.of}); {wanted}"
        return f"gates.{self.gate} {verdict}: {self.figure}; {wanted}"

    def told(self) -> str:
        """The same with the age of a figure that was not measured by this run; it changes with the day."""
        return f"{self} (measured {age(self.figure.at)})" if self.figure.at else str(self)


def refuse_impossible(workspace: Workspace) -> None:
    """Refuse a gate on a figure that no run of the listed cells can give.

    Raises:
        ParamsError: names the gate and why.
    """
    gates = workspace.params.gates
    limits = gates.limits()
    if gates.promote is not None and not limits:
        raise ParamsError(
            "gates.promote names a cell but no gate is set; set one, such as gates.least_acc=0.9"
        )
    if not limits:
        return
    first = f"gates.{next(iter(limits))}"
    defended = [cell for cell in workspace.cells() if is_defended(workspace, cell)]
    if not defended:
        raise ParamsError(
            f"{first} has nothing to judge: every defense of cells.defenses is none; list one, such as asd"
        )
    chosen = promoted_cell(workspace)
    if "most_asr" in limits:
        _refuse_impossible_asr(workspace, defended, chosen)


def _refuse_impossible_asr(workspace: Workspace, defended: Sequence[Cell], chosen: Cell | None) -> None:
    def has_figure(cell: Cell) -> bool:
        return bool(planted_twins(workspace, cell)) or can_rehearse(workspace, cell)

    cures = "list an attack, vouch for seeds (seeds.use: keys) and `asd rehearse`, or take the gate out"
    if not any(map(has_figure, defended)):
        raise ParamsError(
            "gates.most_asr has no figure: every attack of cells.attacks is none, so nothing is planted; "
            f"{cures}: `-S gates.most_asr=`"
        )
    if chosen is not None and not has_figure(chosen):
        raise ParamsError(
            f"gates.most_asr has no figure for {chosen}: no listed cell plants an attack in {chosen.dataset} "
            f"for {chosen.defense}; {cures}: `-S gates.most_asr=`"
        )


def promoted_cell(workspace: Workspace) -> Cell | None:
    """The cell that a run promotes: `gates.promote`, else the only defended one on unplanted data.

    Raises:
        ParamsError: `gates.promote` is no listed cell, or more than one, or has no defense.
    """
    name = workspace.params.gates.promote
    if name is not None:
        found = select_cells(workspace.cells(), [name])
        if len(found) != 1:
            raise ParamsError(f"gates.promote: {name!r} means {len(found)} cells; name one of them")
        refuse_undefended(workspace, found[0])
        return found[0]
    candidates = unplanted(workspace)
    return candidates[0] if len(candidates) == 1 else None


def unplanted(workspace: Workspace) -> list[Cell]:
    """Listed cells with a defense on data in which we plant nothing."""
    return [
        cell for cell in workspace.cells() if is_defended(workspace, cell) and not is_planted(workspace, cell)
    ]


def refuse_undefended(workspace: Workspace, cell: Cell) -> None:
    """Refuse to promote a model without a defense.

    Raises:
        ParamsError: the cell's defense is `none`.
    """
    if not is_defended(workspace, cell):
        raise ParamsError(
            f"{cell} has no defense and is never promoted; `asd model export {cell} DIR` does write it"
        )


def judge(workspace: Workspace, cell: Cell, planted: Sequence[Cell]) -> list[Outcome]:
    """Hold the figures of `cell` against every gate that is set.

    Args:
        planted: cells whose attack success counts; none of them: that of the last rehearsal of `cell`
            counts, if its data are unplanted and nothing is planted beside them.
    """
    layout = workspace.layout
    outcomes = []
    for gate, limit in workspace.params.gates.limits().items():
        match gate:
            case "least_acc":
                found = [figures.accuracy(layout, cell)]
            case "most_asr":
                found = [figures.attack_success(layout, twin) for twin in planted]
                found = found or _rehearsed(workspace, cell)
            case "most_estimated_poisoned_share":
                found = [figures.poisoned_share(layout, cell)]
            case _:
                found = [figures.most_suspects(layout, cell, gate.rpartition("_")[2])]
        outcomes += [Outcome(gate, limit, figure, _holds(gate, figure, limit)) for figure in found]
    return outcomes


def _rehearsed(workspace: Workspace, cell: Cell) -> list[Figure]:
    """Attack success by rehearsal; nothing where a listed cell has that attack success for the same data."""
    if planted_twins(workspace, cell):
        return []
    missing = f"there is no rehearsal of {cell.dataset} for {cell.defense} yet; `asd rehearse`"
    found = list(figures.rehearsed_success(workspace, cell).values())
    return found or [Figure("asr", None, of=str(cell), missing=missing)]


def _holds(gate: str, figure: Figure, limit: float) -> bool | None:
    if figure.value is None:
        return None
    return figure.value >= limit if gate.startswith("least") else figure.value <= limit


def judge_run(workspace: Workspace, cells: Sequence[Cell]) -> list[Outcome]:
    """Judge each cell of a run that has a defense, by its own figures."""
    defended = [cell for cell in cells if is_defended(workspace, cell)]
    return [
        outcome
        for cell in defended
        for outcome in judge(workspace, cell, [cell] if is_planted(workspace, cell) else [])
    ]


def judge_promotion(workspace: Workspace, cell: Cell) -> list[Outcome]:
    """Judge a cell by its own figures and by the attack success of its planted twins, or of its rehearsal."""
    return judge(workspace, cell, planted_twins(workspace, cell))


def refuse_failed(outcomes: Sequence[Outcome]) -> None:
    """End with exit code 4 if a gate does not hold.

    Raises:
        GateError: one line for each gate that fails or was not measured.
    """
    bad = [outcome.told() for outcome in outcomes if not outcome.holds]
    if bad:
        raise GateError("\nasd: ".join([*bad, "models/current is left as it was"]))
