"""Counted work, seconds from measurements, and what a run needs."""

from pathlib import Path
from typing import Any

import pytest

from asd.defenses import asd as asd_defense
from asd.defenses import none as no_defense
from asd.operations import forecast, run_record, space
from asd.operations.forecast import Counted, DataFacts, Forecast
from asd.operations.plan import Plan, PlannedStage
from asd.params import Workspace, load_workspace
from asd.params_file import complete_params

STAGES = [f"stage{n}@digits-badnets-asd-0" for n in (1, 2, 3)]


@pytest.fixture
def opened(workspace: Path) -> Workspace:
    complete_params(workspace)
    return load_workspace(workspace)


def planned(*names: str) -> Plan:
    return Plan(tuple(PlannedStage(name, "not run yet", ()) for name in names), 1.5)


def answers(jobs: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    facts = {"seconds": seconds, "parameter_bytes": 1000, "peak_bytes": 10**6}
    return [{"kind": "start", "seconds": 4.0, "device": "cpu"}, *({**job, **facts} for job in jobs)]


def test_work_of_asd_is_that_of_its_schedule() -> None:
    params = asd_defense.Params.model_validate(
        {
            "common": {"iterations": 10, "last_epoch": 9, "batch": 4},
            "stage1": {"end": 2},
            "stage2": {"end": 4},
            "stage3": {"meta": {"batch": 8, "every": 2, "snapshots": 3, "min_steps": 5, "layers": 2}},
        }
    )
    first = asd_defense.work(params, 1, 100)
    assert (first.epochs, first.steps, first.batch, first.engine) == (2, 20, 4, "mixmatch")
    assert (first.passes, first.virtual_steps) == (2, 0)
    third = asd_defense.work(params, 3, 100)
    # epochs 4, 6 and 8 split: 13 steps each (100 samples in batches of 8), 3 + 3 scorings
    assert (third.epochs, third.virtual_steps, third.passes) == (5, 39, 2 + 3 * 6)


def test_work_without_a_defense_is_in_stage_1() -> None:
    params = no_defense.Params.model_validate({"stage1": {"epochs": 3, "batch": 32}})
    work = no_defense.work(params, 1, 100)
    assert (work.epochs, work.steps, work.engine) == (3, 12, None)
    assert no_defense.work(params, 2, 100).epochs == 0


def test_equal_steps_are_measured_once(opened: Workspace) -> None:
    jobs = Counted(opened, planned(*STAGES, "stage1@digits-badnets-none-0").stages).jobs()
    assert [(job["kind"], job["engine"], job["batch"]) for job in jobs] == [
        ("step", "mixmatch", 32),
        ("pass", None, 512),
        ("virtual", None, 16),
        ("step", None, 64),
    ]


def test_seconds_are_counts_times_measurements_plus_the_start(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "_measure", lambda workspace, jobs, budget: answers(jobs, 0.01))
    found = forecast.forecast(opened, planned("stage1@digits-badnets-none-0", "stage2@digits-badnets-none-0"))
    images = 1437 + 20 * 2 * 360  # the last scoring, and 20 times the probe set
    trained = 20 * 23 * 0.01 + images / 512 * 0.01
    assert [one.how for one in found.times] == ["measured", "measured"]
    assert found.times[0].seconds == pytest.approx(1.5 + 4.0 + trained)
    assert found.times[1].seconds == pytest.approx(1.5)  # handed on: dvc's start alone
    assert (found.device, found.parameter_bytes) == ("cpu", 1000)


def test_other_steps_have_their_last_timing_or_are_unknown(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "_measure", lambda workspace, jobs, budget: [])
    run_record.RunRecord(opened.layout).done("fetch@digits", 7.0)
    found = forecast.forecast(opened, planned("fetch@digits", "poison@digits-badnets", STAGES[0]))
    assert [(one.seconds, one.how) for one in found.times] == [
        (7.0, "last time"),
        (None, "unknown"),
        (None, "unknown"),
    ]
    assert (found.seconds, len(found.unknown)) == (7.0, 2)


def test_a_published_size_is_cut_by_the_limit(workspace: Path) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("use: digits", "use: digits\n    limit: 500"))
    complete_params(workspace)
    found = forecast.data_facts(load_workspace(workspace), "digits")
    assert found == DataFacts(500, 360, (1, 16, 16), 10)


def test_a_full_disk_and_a_small_memory_are_said_to_be_short(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "cache_folder", lambda root: root / ".dvc" / "cache")
    found = Forecast(device="cpu", parameter_bytes=1000, peak_bytes=10**18)
    disk, memory = space.needs(opened, planned("fetch@digits", *STAGES).stages, found)
    assert 0 < disk.needed < 10**9
    assert (disk.short, memory.short) == (disk.needed > disk.there, True)
    assert space.Need("disk", 2, 1, "cure").short
    assert memory.needed == 10**18 + 1437 * 256


def test_outputs_that_are_there_are_taken_as_large_as_they_are(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "cache_folder", lambda root: root / ".dvc" / "cache")
    (opened.layout.root / "out").write_bytes(b"x" * 5000)
    stage = PlannedStage("audit@digits-badnets-asd-0", "x modified", ("out",))
    (disk,) = space.needs(opened, [stage], Forecast())
    assert disk.needed == 5000 + 5000  # beside the old one, and in the cache


def test_planning_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, asd.operations.forecast, asd.operations.space, asd.operations.plan; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
