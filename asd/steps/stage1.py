"""Step `stage1`: from the seed set and a fresh network to the end of stage 1 (T1)."""

from __future__ import annotations

from asd.params import Workspace
from asd.progress import Reporter
from asd.steps import StepItem
from asd.steps._training_stage import run_stage


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Train the stage, or hand on where it has no epochs."""
    run_stage(workspace, item, reporter, 1)
