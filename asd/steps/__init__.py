"""The pipeline in order. Each step is one file with `run`: read, call, write, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from asd.layout import Cell

STEPS = ("fetch", "prepare", "poison", "seed", "stage1", "stage2", "stage3", "evaluate", "audit")

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "fetch": ("dataset",),
    "prepare": ("dataset", "attack"),
    "poison": ("dataset", "attack"),
    "seed": ("dataset", "attack", "trial"),
    **dict.fromkeys(STEPS[4:], ("dataset", "attack", "defense", "trial")),
}
"""What one run of each step is for; `dvc.yaml` expands its matrix over the same words."""


@dataclass(frozen=True)
class StepItem:
    """What one run of a step is for: the names that its dimensions ask for."""

    dataset: str
    attack: str | None = None
    defense: str | None = None
    trial: int | None = None

    @property
    def cell(self) -> Cell:
        """The cell, for the steps that have all four dimensions."""
        if self.attack is None or self.defense is None or self.trial is None:
            raise ValueError(f"{self} is not a whole cell")
        return Cell(self.dataset, self.attack, self.defense, self.trial)

    @property
    def attack_name(self) -> str:
        """The attack's variant, for the steps that run per attack."""
        if self.attack is None:
            raise ValueError(f"{self} names no attack")
        return self.attack

    @property
    def trial_number(self) -> int:
        """The trial, for the steps that run per trial."""
        if self.trial is None:
            raise ValueError(f"{self} names no trial")
        return self.trial

    def __str__(self) -> str:
        parts = (self.dataset, self.attack, self.defense, self.trial)
        return "/".join(str(part) for part in parts if part is not None)


def stage_name(step: str, item: StepItem) -> str:
    """The name of a step for an item in `dvc.yaml`: `stage1@digits-badnets-asd-0`."""
    words = [str(getattr(item, dimension)) for dimension in DIMENSIONS[step]]
    return f"{step}@{'-'.join(words)}"
