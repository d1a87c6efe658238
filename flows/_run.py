"""What the flows of the service share: waiting for the workspace, the stages, the gates, the sharing.

Nothing is computed here: every part is a child process that dies with this one, so that a flow that
is cancelled or killed leaves a workspace from which the next run goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateType
from prefect.concurrency.sync import concurrency
from prefect.logging import get_run_logger

from asd.errors import BusyError, GateError
from asd.layout import Cell, Layout
from asd.lifeline import die_with_parent
from asd.operations.run_record import RunRecord
from asd.params import Workspace
from asd.params_file import check_variants
from asd.readiness import make_ready
from asd.run_lock import hold_workspace
from asd.ship.gates import refuse_impossible
from flows import _artifacts, _commands, _dvc, _process
from flows._commands import CommandError, Said
from flows._lines import Line
from flows._locks import clear_dead_rwlock
from flows._markdown import escaped, fenced
from flows._service import service_params, uses_gpu
from flows.defend import run_stages

_LOOK_EVERY = 1.0  # seconds between two tries to get the workspace
_SAY_EVERY = 60.0
_LEASE = 60.0  # seconds after which the GPU of a killed run is free again
_RETRIES: dict[str, Any] = {
    "retries": 4,
    "retry_delay_seconds": [10, 30, 90, 270],
    "retry_jitter_factor": 0.2,
}
NETWORK: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, **_RETRIES}
"""Of tasks that another try may help: they fetch or push."""
ONCE: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
"""Of all other tasks."""


@contextlib.contextmanager
def of_the_service() -> Iterator[None]:
    """The body of a flow: its process dies with the runner that started it, its children with it."""
    if os.environ.get("PREFECT__FLOW_RUN_ID"):  # a process of its own, not a test
        die_with_parent()
    try:
        yield
    except BaseException:  # a cancellation comes as an exception in this thread
        _process.kill_all()
        raise


@contextlib.contextmanager
def workspace_held(layout: Layout) -> Iterator[None]:
    """Hold the workspace; wait while an `asd run` or another command has it."""
    logger, said = get_run_logger(), -_SAY_EVERY
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold_workspace(layout))
                break
            except BusyError as error:
                if time.monotonic() - said >= _SAY_EVERY:
                    logger.info("waiting: %s", error)
                    said = time.monotonic()
                pause()
        yield


def pause() -> None:
    """Between two tries to get the workspace."""
    time.sleep(_LOOK_EVERY)


@contextlib.contextmanager
def gpu_slot(layout: Layout) -> Iterator[None]:
    """One slot of the server's limit for GPUs, where this machine trains on one."""
    if not uses_gpu():
        yield
        return
    with concurrency(service_params(layout).gpu_limit, occupy=1, lease_duration=_LEASE):
        yield


@dataclass
class Result:
    """What a run came to.

    Attributes:
        cells: the cells of the workspace.
        ran: stages that ran or came out of a cache.
        gates: lines of the gates and of the promotion.
        failed: lines of the gates that do not hold.
        cause: the likely cause of those, or empty.
    """

    cells: list[Cell]
    ran: list[str] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    cause: str = ""

    def state(self, what: str) -> State:
        """The state in which the flow run ends."""
        if self.failed:
            text = "; ".join([*self.failed, *([self.cause] if self.cause else [])])
            return State(type=StateType.FAILED, name="GateFailed", message=f"{what}: {text}")
        return State(
            type=StateType.COMPLETED, message=f"{what}: {len(self.ran)} stages ran. " + " ".join(self.gates)
        )


def run_cells(root: Path) -> Result:
    """Bring all cells up to date, as `asd run` does.

    Raises:
        DefendError: a stage failed, with its last lines.
        AsdError: the params, the pipeline or the data are not fit for a run.
    """
    layout = Layout(root)
    with workspace_held(layout), gpu_slot(layout):
        workspace = _ready(root)
        cells = workspace.cells()
        said = clear_dead_rwlock(root)
        if said:
            get_run_logger().info(said)
        record = RunRecord(layout)
        plan = _dvc.stale_stages(root, cells)
        record.plan((stage.name, stage.reason) for stage in plan)
        stale = [stage for stage in plan if stage.stale]
        get_run_logger().info("%d of %d stages are stale", len(stale), len(plan))
        try:
            ran = run_stages(root, cells, _jobs(), plan, record) if stale else []
        finally:
            record.end()
    if not stale:
        _artifacts.publish(root, cells, {})
    return Result(cells, ran)


def _jobs() -> int:
    words = os.environ.get("ASD_JOBS", "1")
    return int(words) if words.isdecimal() and int(words) else 1


def _ready(root: Path) -> Workspace:
    workspace = make_ready(root).workspace
    check_variants(workspace)
    refuse_impossible(workspace)
    return workspace


@task(name="gates", **ONCE)
def judge(root: Path, result: Result) -> Result:
    """Hold the gates and promote, or keep `models/current`; adds to `result`."""
    words = ["-m", "asd.operations.after_run", str(root), *map(str, result.cells)]
    said = _waiting(root, words)
    if said.code not in (0, GateError.exit_code):
        raise CommandError("the gates", said)
    found = said.facts()
    result.gates, result.failed = list(found["lines"]), list(found["failed"])
    result.cause = str(found.get("cause") or "")
    lines = [*(f"- {escaped(line)}" for line in (*result.gates, *result.failed)), escaped(result.cause)]
    _artifacts.markdown("gates", "\n".join(lines) or "no gate is set", "Gates and the current model")
    for line in (*result.gates, *result.failed):
        get_run_logger().info(line)
    return result


def _waiting(root: Path, words: Sequence[str]) -> Said:
    """Run a command that takes the workspace itself; wait while another one has it."""
    while True:
        with workspace_held(Layout(root)):
            pass
        said = _commands.run(root, words)
        if not (said.code == BusyError.exit_code and said.error.startswith("another asd run")):
            return said
        pause()


@task(name="compare", **ONCE)
def compare(root: Path, result: Result) -> None:
    """Compare each cell that ran anew with what it was before; shown, and no reason to fail."""
    pages = []
    for cell in result.cells:
        audit = f"audit@{str(cell).replace('/', '-')}"
        if audit not in result.ran:
            continue
        said = _commands.asd(root, ["audit", "diff", f"{cell}@previous", str(cell)])
        pages.append(f"## {cell}\n\n{fenced(said.text.strip() or said.error)}")
    if pages:
        _artifacts.markdown("diff", "\n\n".join(pages), "Against the run before")


@task(name="pools", **ONCE)
def pools(root: Path, result: Result) -> None:
    """Show what the clean pool of each cell came to."""
    said = _commands.asd(root, ["audit", "summary", "--json"])
    if said.code:
        get_run_logger().info("no summary of the pools: %s", said.error)
        return
    rows = [
        {
            "run": run["run"],
            "samples": run["samples"],
            "clean pool": run["pool"]["size"],
            **(run["verdicts"] or {}),
            "estimated poisoned share": (run["estimated_poisoned_share"] or {}).get("value"),
        }
        for run in said.facts()["runs"]
    ]
    _artifacts.table("pools", rows, "Who is in the clean pool")


def logged(line: Line) -> None:
    """A line of a command, to the log of the run."""
    logger = get_run_logger()
    if line.kind in ("warning", "error", "dvc_error"):
        logger.warning(line.text)
    elif line.kind in ("say", "text") and line.text:
        logger.info(line.text)
