"""The plan and single stages with the real dvc, on stages that sleep."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from asd.errors import ParamsError
from asd.layout import Cell
from flows import _dvc, _process
from flows._lines import Line
from tests.flows.conftest import FakeWorkspace
from tests.processes import is_gone

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of dvc's pygtrie
CELLS = [Cell("digits", "badnets", "none", trial) for trial in (0, 1)]
STAGE1, AUDIT = "stage1@digits-badnets-none-0", "audit@digits-badnets-none-0"


def ignore(line: Line) -> None: ...


def states(root: Path, cells: list[Cell]) -> dict[str, bool]:
    return {stage.name: stage.stale for stage in _dvc.stale_stages(root, cells)}


def test_plan_holds_the_upstream_of_the_cells_asked_for_and_no_more(fake: FakeWorkspace) -> None:
    plan = _dvc.stale_stages(fake.root, CELLS[:1])
    assert [(stage.name, stage.upstream) for stage in plan] == [
        ("fetch@digits", ()),
        (STAGE1, ("fetch@digits",)),
        (AUDIT, (STAGE1,)),
    ]
    assert [(stage.stale, stage.reason) for stage in plan] == [(True, "not run yet")] * 3


def test_stage_that_ran_is_current_and_what_is_behind_it_stale(fake: FakeWorkspace) -> None:
    assert _dvc.repro(fake.root, "fetch@digits", ignore).code == 0
    assert states(fake.root, CELLS[:1]) == {"fetch@digits": False, STAGE1: True, AUDIT: True}


def test_plain_repro_brings_everything_up_to_date_and_a_change_makes_it_stale(fake: FakeWorkspace) -> None:
    lines: list[Line] = []
    assert _dvc.repro_all(fake.root, CELLS, lines.append).code == 0
    assert next(line.text for line in lines if line.kind == "running") == "fetch@digits"
    assert not any(states(fake.root, CELLS).values())
    fake.order(fetch={"sleep": 0.01})
    plan = {stage.name: stage for stage in _dvc.stale_stages(fake.root, CELLS)}
    assert plan["fetch@digits"].reason == "orders.json modified"
    assert plan[AUDIT].reason == f"after {STAGE1}"


def test_pipeline_that_dvc_cannot_read_is_a_params_error(fake: FakeWorkspace) -> None:
    (fake.root / "dvc.yaml").write_text("stages: [1]\n")
    with pytest.raises(ParamsError, match=r"dvc cannot read the pipeline .*dvc\.yaml"):
        _dvc.stale_stages(fake.root, CELLS)


def test_failing_step_hands_up_its_exit_code_and_its_words(fake: FakeWorkspace) -> None:
    fake.order(fetch={"exit": 3, "error": "shard x is broken"})
    outcome = _dvc.repro(fake.root, "fetch@digits", ignore)
    assert outcome == _dvc.Outcome(3, "shard x is broken")


def test_step_killed_by_the_system_is_worth_another_try(fake: FakeWorkspace) -> None:
    fake.order(fetch={"kill": 1})
    outcome = _dvc.repro(fake.root, "fetch@digits", ignore)
    assert outcome == _dvc.Outcome(137, "killed by SIGKILL (out of memory?)", retry=True)


def test_kill_all_ends_a_running_stage_with_its_step(
    fake: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_process, "_stopping", threading.Event())
    fake.order(fetch={"sleep": 60})
    outcomes: list[_dvc.Outcome] = []
    runner = threading.Thread(
        target=lambda: outcomes.append(_dvc.repro(fake.root, "fetch@digits", ignore)), daemon=True
    )
    runner.start()
    step = fake.wait_for("fetch@digits")
    _process.kill_all()
    runner.join(30)
    assert outcomes == [_dvc.Outcome(130, "stopped")]
    assert is_gone(step)
