"""The flow `nightly`: bring all cells up to date at the time that `service.nightly` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import _run
from flows._missed import drop_missed
from flows._share import share
from flows.on_drop import run_and_judge


@flow(name="nightly", persist_result=False, validate_parameters=False)
def nightly(workspace: str) -> State[Any]:
    """Run the cells, hold the gates, share the results.

    Raises:
        DefendError: a stage failed; with its last lines.
    """
    root = Path(workspace).resolve()
    with _run.of_the_service():
        drop_missed()
        result = run_and_judge(root, rehearse=False)
        share(root, f"Nightly run\n\n{len(result.ran)} stages ran")
        return result.state("nightly")
