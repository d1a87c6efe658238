"""The flow against a Prefect server, with stages that only say that they ran."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asd.layout import Cell
from flows import _dvc, _report
from flows._dvc import Outcome, PlannedStage
from flows._lines import Line
from tests.flows.conftest import FakeWorkspace

pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # Prefect's event sockets
]

CELLS = [Cell("digits", "badnets", "none", trial) for trial in (0, 1)]
STAGE1 = ["stage1@digits-badnets-none-0", "stage1@digits-badnets-none-1"]
AUDIT = ["audit@digits-badnets-none-0", "audit@digits-badnets-none-1"]
PLAN = [
    PlannedStage("fetch@digits", (), False, ""),
    PlannedStage(STAGE1[0], ("fetch@digits",), True, "not run yet"),
    PlannedStage(AUDIT[0], (STAGE1[0],), True, f"after {STAGE1[0]}"),
    PlannedStage(STAGE1[1], ("fetch@digits",), True, "not run yet"),
    PlannedStage(AUDIT[1], (STAGE1[1],), True, f"after {STAGE1[1]}"),
]


class FakeDvc:
    """Records which stages ran; gives each the outcomes it was told, then a good one."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.outcomes: dict[str, list[Outcome]] = {}
        self.seconds = 0.0
        self.most_at_once = 0
        self._now = 0
        self._guard = threading.Lock()

    def repro(self, root: Path, stage: str, on_line: Callable[[Line], None]) -> Outcome:
        with self._guard:
            self.ran.append(stage)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        on_line(Line("progress", "", {"step": "s", "label": stage, "done": 1, "total": 2, "unit": "epoch"}))
        time.sleep(self.seconds)
        with self._guard:
            self._now -= 1
        left = self.outcomes.get(stage)
        return left.pop(0) if left else Outcome(0)


@pytest.fixture(autouse=True)
def collect_sockets_here() -> Iterator[None]:
    """Prefect drops sockets unclosed; they must not warn in the middle of another test."""
    yield
    gc.collect()


@pytest.fixture
def dvc(monkeypatch: pytest.MonkeyPatch) -> FakeDvc:
    from flows import defend

    made = FakeDvc()
    monkeypatch.setattr(_dvc, "repro", made.repro)
    monkeypatch.setattr(defend, "run_stage", defend.run_stage.with_options(retry_delay_seconds=0))
    return made


def run(fake: FakeWorkspace, jobs: int = 1) -> None:
    from flows import defend

    defend.run(fake.root, CELLS, jobs, PLAN)


def test_only_stale_stages_run_each_after_its_upstream(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    run(fake)
    assert dvc.ran == [STAGE1[0], AUDIT[0], STAGE1[1], AUDIT[1]]


def test_nothing_is_cached_by_prefect(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    run(fake)
    run(fake)
    assert len(dvc.ran) == 8


def test_as_many_stages_work_at_once_as_jobs_say(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    dvc.seconds = 0.3
    run(fake, jobs=2)
    assert dvc.most_at_once == 2
    assert dvc.ran.index(STAGE1[1]) < dvc.ran.index(AUDIT[0])


def test_one_job_means_one_stage_at_a_time(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    run(fake, jobs=1)
    assert dvc.most_at_once == 1


def test_killed_stage_is_tried_again(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    dvc.outcomes = {STAGE1[0]: [Outcome(137, "killed by SIGKILL", retry=True)]}
    run(fake)
    assert dvc.ran == [STAGE1[0], STAGE1[0], AUDIT[0], STAGE1[1], AUDIT[1]]


def test_mistake_is_not_tried_again_and_other_cells_run_on(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    from flows.defend import DefendError

    dvc.outcomes = {STAGE1[0]: [Outcome(3, "shard x is broken")]}
    with pytest.raises(DefendError, match="shard x is broken; 1 stage behind it did not run") as error:
        run(fake)
    assert error.value.exit_code == 3
    assert dvc.ran == [STAGE1[0], STAGE1[1], AUDIT[1]]


def test_table_and_summary_are_artifacts_of_the_run(fake: FakeWorkspace, dvc: FakeDvc) -> None:
    from prefect.artifacts import Artifact

    run(fake)
    results = Artifact.get("results")
    summary = Artifact.get("summary")
    progress = Artifact.get(_report.slug(STAGE1[0]))
    assert results is not None
    assert "digits" in str(results.data)
    assert summary is not None
    assert str(summary.data).startswith("2 cells, 0 failed stages")
    assert progress is not None
    assert progress.data == 50.0


def test_flow_without_a_plan_makes_one(
    fake: FakeWorkspace, dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import defend

    monkeypatch.setattr(_dvc, "stale_stages", lambda root, cells: PLAN[:2])
    assert defend.defend(str(fake.root), [str(CELLS[0])]) == [STAGE1[0]]
