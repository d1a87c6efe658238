"""How far a cell is: which steps have left something, and what the run of now says."""

from __future__ import annotations

from dataclasses import dataclass

from asd.audit.web.settings import LiveCell
from asd.layout import Cell, Layout

STEPS = ("poison", "seed", "stage1", "stage2", "stage3", "evaluate", "audit")


@dataclass(frozen=True)
class Standing:
    """A cell's place in the pipeline.

    Attributes:
        state: `done`, `running`, `failed`, `partial` or `missing`.
        steps: (name, whether it has left its files).
        live: what the run of now, or the last one, says; None if nothing.
    """

    state: str
    steps: tuple[tuple[str, bool], ...]
    live: LiveCell | None

    @property
    def moves(self) -> bool:
        """Whether looking again soon will show more."""
        return self.state == "running"


def standing(layout: Layout, cell: Cell, live: LiveCell | None) -> Standing:
    """Look at the files of a cell and at what is said of it."""
    left = {
        "poison": layout.poisoned(cell.dataset, cell.attack, "train") / "manifest.json",
        "seed": layout.seed_set(cell.dataset, cell.attack, cell.trial) / "seed_set.json",
        **{f"stage{n}": layout.stage(cell, n) / "history.parquet" for n in (1, 2, 3)},
        "evaluate": layout.metrics(cell),
        "audit": layout.audit_samples(cell),
    }
    steps = tuple((name, left[name].is_file()) for name in STEPS)
    if live is not None and live.state in ("running", "failed"):
        state = live.state
    elif dict(steps)["audit"]:
        state = "done"
    else:
        state = "partial" if any(made for name, made in steps if name.startswith("stage")) else "missing"
    return Standing(state, steps, live)
