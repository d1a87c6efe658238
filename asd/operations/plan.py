"""What is stale, asked of a process that knows DVC (`python -m flows --dry-run --json`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.errors import AsdError
from asd.layout import Cell
from asd.lifeline import PARENT
from asd.steps import DIMENSIONS, StepItem


@dataclass(frozen=True)
class PlannedStage:
    """A stage of `dvc.yaml`; `reason` says why it is stale and is empty where it is current."""

    name: str
    reason: str
    outs: tuple[str, ...]

    @property
    def step(self) -> str:
        """The step, such as `stage1`."""
        return self.name.partition("@")[0]

    @property
    def item(self) -> StepItem:
        """What it is for."""
        words = self.name.partition("@")[2].split("-")
        named: dict[str, str] = dict(zip(DIMENSIONS[self.step], words, strict=True))
        trial = named.get("trial")
        return StepItem(
            named["dataset"],
            named.get("attack"),
            named.get("defense"),
            None if trial is None else int(trial),
        )

    def __str__(self) -> str:
        return f"{self.step} {self.item}"


@dataclass(frozen=True)
class Plan:
    """All stages that some cells need, upstream first, and the seconds that it took to find out."""

    stages: tuple[PlannedStage, ...]
    seconds: float

    @property
    def stale(self) -> list[PlannedStage]:
        """The stages that would run."""
        return [stage for stage in self.stages if stage.reason]


class PlanError(AsdError):
    """The plan could not be made; with the exit code of what failed."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


def ask_plan(root: Path, cells: Sequence[Cell], *, look: bool = False, verbose: bool = False) -> Plan:
    """Which stages of `cells` are stale, and why.

    Args:
        look: leave no trace; else the caller holds the workspace, and the plan is noted.
        verbose: an error says in dvc's words, too, what went wrong.

    Raises:
        PlanError: DVC cannot read the pipeline, or another process works in the workspace.
    """
    options = [f"--workspace={root}", "--dry-run", "--json"]
    options += [*(["--look"] if look else []), *(["--verbose"] if verbose else [])]
    command = [sys.executable, "-m", "flows", *options, *map(str, cells)]
    begin = time.monotonic()
    environment = {**os.environ, PARENT: str(os.getpid())}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip() or f"the plan ended with exit code {done.returncode} and no message"
        raise PlanError(said.removeprefix("asd: "), done.returncode)
    found = json.loads(done.stdout)
    stages = tuple(PlannedStage(s["name"], s["reason"], tuple(s["outs"])) for s in found)
    return Plan(stages, time.monotonic() - begin)
