"""The flow `defend`: one Prefect task for each stale stage, in the order that DVC's graph asks for.

Prefect says when; what is stale and what is cached is DVC's alone, so Prefect's own result
cache is off. A task watches a process and computes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.task_runners import ThreadPoolTaskRunner

from asd.errors import AsdError
from asd.layout import Cell, Layout
from asd.operations.run_record import RunRecord
from flows import _dvc, _process
from flows._artifacts import ProgressArtifact, publish
from flows._cells import parse_cell
from flows._dvc import Outcome, PlannedStage
from flows._lines import Line
from flows._screen import Screen, figures, title
from flows._slots import Slots

MAX_THREADS = 64  # threads that only wait; how many stages work at once is `jobs`


class StageFailedError(Exception):
    """A stage ended with a failure."""

    def __init__(self, stage: str, outcome: Outcome) -> None:
        super().__init__(f"{title(stage)}: {outcome.message}")
        self.stage = stage
        self.outcome = outcome


class DefendError(AsdError):
    """At least one stage failed; `exit_code` is that of the first."""

    def __init__(self, failures: Sequence[StageFailedError], skipped: int) -> None:
        first = f"{failures[0]}" + (f" (and {len(failures) - 1} more failed)" if len(failures) > 1 else "")
        super().__init__(first + (f"; {_stages(skipped)} behind it did not run" if skipped else ""))
        self.exit_code = failures[0].outcome.code or 1


def _stages(count: int) -> str:
    return f"{count} stage" + ("" if count == 1 else "s")


class Work:
    """What the tasks of one run share; no dataclass, since Prefect looks into those."""

    def __init__(self, root: Path, slots: Slots, screen: Screen, record: RunRecord) -> None:
        self.root = root
        self.screen = screen
        self.record = record
        self.slots = slots


def worth_retrying(_task: Task[..., object], run: TaskRun, state: State) -> bool:
    """Whether another try may help: the stage was killed (not by us) or had to wait for dvc's lock."""
    error = state.data
    return isinstance(error, StageFailedError) and error.outcome.retry and not _process.stopping()


@task(
    task_run_name="{stage}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=worth_retrying,
)
def run_stage(stage: str, reason: str, work: Work) -> str:
    """Bring one stage up to date and say how: done, cached."""
    logger = get_run_logger()
    bar = ProgressArtifact(stage)

    def on_line(line: Line) -> None:
        work.screen.line(line, stage)
        if line.kind == "progress":
            work.record.progress(stage, figures(line.event))
        if line.kind in ("warning", "error", "dvc_error"):
            logger.warning(line.text)
        elif line.kind in ("say", "cached"):
            logger.info(line.text)
        bar.show(line)

    with work.slots.turn(stage):
        work.screen.started(stage, reason)
        work.record.progress(stage)
        begin = time.monotonic()
        outcome = _dvc.repro(work.root, stage, on_line)
        if outcome.code != 0:
            if not _process.stopping():
                work.screen.failed(stage, outcome.message)
                work.record.failed(stage, outcome.message)
            raise StageFailedError(stage, outcome)
    word = "taken from the cache" if outcome.cached else "done"
    seconds = time.monotonic() - begin
    work.screen.finished(stage, word, seconds)
    work.record.done(stage, None if outcome.cached else seconds)
    return word


@flow(name="defend", persist_result=False, validate_parameters=False)
def defend(
    workspace: str,
    cells: list[str],
    jobs: int = 1,
    plan: list[PlannedStage] | None = None,
    verbose: bool = False,
    record: RunRecord | None = None,
) -> list[str]:
    """Bring the cells of a workspace up to date.

    Args:
        workspace: its folder.
        cells: as `dataset/attack/defense/trial`.
        jobs: stages that may work at the same time.
        plan: what is stale, where that was found before the server was started.
        record: where the states of the stages are noted; by default that of the workspace.

    Returns:
        The stages that ran.

    Raises:
        DefendError: a stage failed; the other cells ran on.
    """
    root = Path(workspace)
    wanted = [parse_cell(cell) for cell in cells]
    return run_stages(root, wanted, jobs, plan, record, verbose=verbose)


def run_stages(
    root: Path,
    cells: Sequence[Cell],
    jobs: int,
    plan: Sequence[PlannedStage] | None = None,
    record: RunRecord | None = None,
    *,
    verbose: bool = False,
) -> list[str]:
    """What any flow does to bring cells up to date; for the arguments see `defend`.

    Raises:
        DefendError: a stage failed; the other cells ran on.
    """
    stages = [stage for stage in plan or _dvc.stale_stages(root, cells) if stage.stale]
    with Screen(verbose=verbose) as screen:
        futures: dict[str, PrefectFuture[str]] = {}
        work = Work(root, Slots(jobs, stages), screen, record or RunRecord(Layout(root)))
        try:
            for stage in stages:  # upstream first, so that one thread can never wait for itself
                before = [futures[name] for name in stage.upstream if name in futures]
                futures[stage.name] = run_stage.submit(
                    stage.name, stage.reason, work, return_state=False, wait_for=before
                )
            for future in futures.values():
                future.wait()
        except BaseException:  # Ctrl-C and cancellation reach the main thread only
            _process.kill_all()
            raise
    failures = _failures(futures)
    publish(root, cells, {failure.stage: failure.outcome.message for failure in failures})
    if failures:
        skipped = sum(not f.state.is_completed() for f in futures.values()) - len(failures)
        raise DefendError(failures, skipped)
    return list(futures)


def _failures(futures: dict[str, PrefectFuture[str]]) -> list[StageFailedError]:
    """Stages that failed themselves, not those that waited for one of them."""
    found = []
    for name, future in futures.items():
        if future.state.is_failed() or future.state.is_crashed():
            error = future.state.result(raise_on_failure=False)
            if not isinstance(error, StageFailedError):
                error = StageFailedError(name, Outcome(1, str(error) or str(future.state.message)))
            found.append(error)
    return found


def run(
    workspace: Path,
    cells: Sequence[Cell],
    jobs: int,
    plan: Sequence[PlannedStage],
    record: RunRecord | None = None,
    *,
    verbose: bool = False,
) -> None:
    """Run the flow with `jobs` stages at once.

    Raises:
        DefendError: a stage failed.
    """
    stale = sum(stage.stale for stage in plan)
    threads = 1 if jobs == 1 else min(stale, MAX_THREADS)
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=threads)
    sized = defend.with_options(task_runner=runner)  # type: ignore[arg-type]  # F is invariant in Prefect
    try:
        sized(str(workspace), [str(cell) for cell in cells], jobs, list(plan), verbose, record)
    finally:
        APILogHandler().flush()  # before the server goes
