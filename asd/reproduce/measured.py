"""What the cells of a workspace came to, as rows of a table of the paper. Reads small JSON files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asd import store
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.reproduce.intervals import Estimate, of_difference, of_shares
from asd.reproduce.paper import FIRST_MODEL, NO_DEFENSE, TRANSFERRED, reported
from asd.reproduce_params import TargetParams
from asd.tables.rows import OLD_FIGURES, of_cell, states

NOT_RUN = "not run"


@dataclass(frozen=True)
class Trial:
    """One cell.

    Attributes:
        state: `done`, `missing`, `stale`, `failed` or `running`.
        metrics: ACC and ASR with their counts, of the final or of the first model; None: not run.
        pools: `pools.json` of the audit; None: not run.
        seconds: of the three stages.
        class_count: of the data set; 0: not known.
    """

    cell: Cell
    state: str
    metrics: Mapping[str, Any] | None
    pools: Mapping[str, Any] | None
    seconds: float | None
    class_count: int = 0

    @property
    def counts(self) -> bool:
        """Whether its figures are of the present params."""
        return self.metrics is not None and self.state not in OLD_FIGURES


@dataclass(frozen=True)
class Entry:
    """One variant under one attack, in the paper's words; several trials."""

    variant: str
    attack: str
    trials: tuple[Trial, ...]

    @property
    def done(self) -> list[Trial]:
        """Trials with figures of the present params."""
        return [trial for trial in self.trials if trial.counts]

    @property
    def why_none(self) -> str:
        """Why there are no figures; empty where there are some."""
        if self.done:
            return ""
        old = [trial.state for trial in self.trials if trial.state in OLD_FIGURES]
        if old:
            return old[0]
        return "no such model" if any(trial.state == "done" for trial in self.trials) else NOT_RUN

    @property
    def partly(self) -> str:
        """How many trials have figures, where it is some of them and not all; else empty."""
        done, wanted = len(self.done), len(self.trials)
        return f"{done} of {wanted} trials" if 0 < done < wanted else ""

    def values(self, name: str) -> list[float]:
        """One figure of `metrics.json` per finished trial; empty if one of them lacks it."""
        found = [trial.metrics[name] for trial in self.done if trial.metrics is not None]
        return [] if any(value is None for value in found) else found

    def count(self, name: str) -> int:
        """Test pictures behind `acc` or `asr`; 0 where it is not known."""
        found = {trial.metrics[f"n_{name}"] for trial in self.done if trial.metrics is not None}
        return int(found.pop() or 0) if len(found) == 1 else 0

    def share(self, name: str) -> Estimate | None:
        """Mean and interval of `acc`, `asr` or `asr_base`; None if it is not there."""
        values, n = self.values(name), self.count("acc" if name == "acc" else "asr")
        return of_shares(values, n) if values and n else None

    def above_base(self) -> Estimate | None:
        """Attack success minus its base rate (the same pictures without the trigger)."""
        asr, base, n = self.values("asr"), self.values("asr_base"), self.count("asr")
        return of_difference(asr, base, n, n) if asr and base and n else None

    @property
    def guesses(self) -> str:
        """In words, where the model of a trial is little better than one that guesses; else empty.

        Such a model has no backdoor to speak of, nor anything else.
        """
        for trial in self.done:
            acc = trial.metrics["acc"] if trial.metrics is not None else None
            if acc is not None and trial.class_count and acc <= 1.5 / trial.class_count:
                guess = 100 / trial.class_count
                return f"the model is of no use (accuracy {100 * acc:.1f}, by guessing {guess:.1f})"
        return ""

    def pool_poison(self) -> list[tuple[int, int]]:
        """Poisoned samples in the final pool, and its size, of each finished trial that knows them."""
        found = [trial.pools["final"] for trial in self.done if trial.pools is not None]
        return [(p["poisoned"], p["size"]) for p in found if p.get("poisoned") is not None]


def difference(name: str, first: Entry, second: Entry) -> Estimate | None:
    """`acc` or `asr` of `first` minus that of `second`, over the trials that both have."""
    pairs = [
        (a.metrics[name], b.metrics[name])
        for a in first.done
        for b in second.done
        if a.cell.trial == b.cell.trial and a.metrics is not None and b.metrics is not None
    ]
    n = first.count(name)
    if not pairs or not n or n != second.count(name) or any(None in pair for pair in pairs):
        return None
    return of_difference([a for a, _ in pairs], [b for _, b in pairs], n, n)


def cells_of(dataset: str, target: TargetParams) -> list[Cell]:
    """Every cell that a target needs, each once."""
    found = []
    for pair in dict.fromkeys(pair for row in target.cells.values() for pair in row.values()):
        attack, defense = pair.split("/")
        found += [Cell(dataset, attack, defense, trial) for trial in target.trials]
    return found


def entries(workspace: Workspace, dataset: str, target: TargetParams) -> list[Entry]:
    """One entry per variant and attack; behind a transferred one the model that it started from."""
    layout = workspace.layout
    now = states(layout, cells_of(dataset, target))
    found: list[Entry] = []
    for variant, row in target.cells.items():
        of_variant = [
            Entry(
                variant,
                attack,
                tuple(_trial(layout, c, now[c]) for c in now if f"{c.attack}/{c.defense}" == pair),
            )
            for attack, pair in row.items()
        ]
        if variant.startswith(TRANSFERRED):
            found += [_first_model(entry) for entry in of_variant]
        found += of_variant
    return found


def _trial(layout: Layout, cell: Cell, state: str) -> Trial:
    metrics = store.read_json(layout.metrics(cell)) if layout.metrics(cell).exists() else None
    pools = store.read_json(layout.audit_pools(cell)) if layout.audit_pools(cell).exists() else None
    if metrics is None and state == "stale":  # a mark of a dry run, or of a run that was stopped
        state = "missing"
    classes = len((metrics or {}).get("per_class_accuracy") or ())
    return Trial(cell, state, metrics, pools, of_cell(layout, cell)["seconds"], classes)


def _first_model(entry: Entry) -> Entry:
    """The same trials with the figures of the model before ASD (Table 6, first row)."""
    trials = tuple(
        replace(trial, metrics=trial.metrics.get("init") if trial.metrics else None, pools=None, seconds=None)
        for trial in entry.trials
    )
    return Entry(entry.variant.replace(TRANSFERRED, FIRST_MODEL, 1), entry.attack, trials)


def undefended(found: Sequence[Entry], attack: str) -> Entry | None:
    """The twin without a defense, if the target has one."""
    return next((e for e in found if e.variant == NO_DEFENSE and e.attack == attack), None)


def as_json(target: str, found: Sequence[Entry], preset: str) -> list[dict[str, Any]]:
    """Rows for a program: attack, variant, measured, paper, n, preset and more; shares are 0 to 1."""
    return [_json_row(target, entry, preset) for entry in found]


def _json_row(target: str, entry: Entry, preset: str) -> dict[str, Any]:
    said = reported(target, entry.variant, entry.attack)
    estimates = {name: entry.share(name) for name in ("acc", "asr", "asr_base")}
    seconds = [trial.seconds for trial in entry.done if trial.seconds is not None]
    return {
        "attack": entry.attack,
        "variant": entry.variant,
        "cells": [str(trial.cell) for trial in entry.trials],
        "states": [trial.state for trial in entry.trials],
        "measured": {
            name: None if estimate is None else estimate.as_json() for name, estimate in estimates.items()
        }
        | {"poison_in_pool": [bad for bad, _ in entry.pool_poison()]},
        "paper": None
        if said is None
        else {
            name: None if value is None else round(value / 100, 6)
            for name, value in {"acc": said.acc, "asr": said.asr}.items()
        },
        "n": {"acc": entry.count("acc") or None, "asr": entry.count("asr") or None},
        "trials": len(entry.done),
        "trials_wanted": len(entry.trials),
        "seconds": round(sum(seconds), 3) if seconds else None,
        "preset": preset,
    }
