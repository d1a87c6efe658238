"""Where a workspace stands, without asking DVC: the plan is given."""

import os
from pathlib import Path

import pytest

from asd import run_lock, store
from asd.layout import Cell, Layout
from asd.operations import status
from asd.operations.plan import Plan, PlanError, PlannedStage
from asd.operations.run_record import RunRecord
from asd.params import Workspace, load_workspace
from asd.params_file import complete_params, set_params
from tests.unit.rehearsing import Kennel

ASD, NONE = Cell("digits", "badnets", "asd", 0), Cell("digits", "badnets", "none", 0)
STAGE3 = "stage3@digits-badnets-asd-0"


@pytest.fixture
def opened(workspace: Path) -> Workspace:
    complete_params(workspace)
    return load_workspace(workspace)


def plan_is(monkeypatch: pytest.MonkeyPatch, **reasons: str) -> None:
    stages = tuple(
        PlannedStage(name.replace("__", "@").replace("_", "-"), why, ()) for name, why in reasons.items()
    )
    monkeypatch.setattr(status, "ask_plan", lambda root, cells, look: Plan(stages, 0.1))


def states(found: status.Status) -> dict[Cell, tuple[str, str]]:
    return {one.cell: (one.state, one.why) for one in found.cells}


def test_a_stale_cell_says_its_first_stale_stage_and_how_many_follow(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_is(monkeypatch, stage3__digits_badnets_asd_0="x modified", audit__digits_badnets_asd_0="after it")
    found = states(status.status_of(opened))
    assert found == {ASD: ("stale", "stage3: x modified (and 1 more)"), NONE: ("done", "")}


def test_a_failure_of_the_last_run_explains_a_stale_cell_better(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_is(monkeypatch, stage3__digits_badnets_asd_0="not run yet")
    RunRecord(opened.layout).failed(STAGE3, "loss is nan")
    assert states(status.status_of(opened))[ASD] == ("failed", "stage3: loss is nan")


def test_without_dvc_the_record_of_the_last_run_is_shown(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(root: Path, cells: list[Cell], look: bool) -> Plan:
        raise PlanError("dvc.lock is damaged", 2)

    monkeypatch.setattr(status, "ask_plan", broken)
    RunRecord(opened.layout).plan([(STAGE3, "x modified")])
    found = status.status_of(opened)
    assert found.plan_error == "dvc.lock is damaged"
    assert states(found) == {ASD: ("stale", "stage3: x modified"), NONE: ("stale", "no results")}


def test_the_model_is_none_or_what_its_file_says(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_is(monkeypatch)
    assert status.status_of(opened).model is None
    file = opened.layout.root / "models" / "current" / "model.json"
    store.write_json(file, {"cell": str(ASD)})
    assert status.status_of(opened).model == {"cell": str(ASD)}
    file.write_text("{")
    assert "is not valid JSON" in (status.status_of(opened).model or {})["problem"]


@pytest.mark.parametrize("use", ["keys", "folder"])
def test_seeds_that_nobody_gave_need_a_person(
    workspace: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("use: oracle", f"use: {use}"))
    complete_params(workspace)
    plan_is(monkeypatch)
    needs = status.status_of(load_workspace(workspace)).needs_you
    assert any("no seeds yet" in text and "`asd seeds sheet`" in text for text in needs)


def test_a_workspace_for_the_papers_tables_is_told_to_run_their_cells(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_is(monkeypatch, stage3__digits_badnets_asd_0="not run yet")
    told = [
        text for text in status.status_of(load_workspace(workspace)).needs_you if "not up to date" in text
    ]
    params = workspace / "params.yaml"
    params.write_text(params.read_text() + "\nreproduce: {preset: digits, dataset: digits}\n")
    now = [text for text in status.status_of(load_workspace(workspace)).needs_you if "not up to date" in text]
    assert [text.split(":")[0] for text in (*told, *now)] == ["`asd run`", "`asd reproduce all`"]


def test_a_risk_that_nobody_accepted_needs_a_person(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("use: oracle", "use: sift"))
    complete_params(workspace)
    plan_is(monkeypatch)
    needs = status.status_of(load_workspace(workspace)).needs_you
    assert any(text.startswith("sifted seeds are experimental") for text in needs)
    set_params(workspace, ["seeds.sift.accept_risk=true"])
    needs = status.status_of(load_workspace(workspace)).needs_you
    assert not any("seeds" in text for text in needs)


def test_a_data_set_without_a_source_needs_a_person(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("use: digits", "use: imagefolder"))
    complete_params(workspace)
    plan_is(monkeypatch)
    needs = status.status_of(load_workspace(workspace)).needs_you
    assert "data set digits has no source: `asd source set digits PATH`" in needs


def test_the_last_word_of_the_collapse_guard_needs_a_person(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_is(monkeypatch)
    store.write_json(opened.layout.stage(ASD, 3) / "state.json", {"warnings": ["first", "starved"]})
    needs = status.status_of(opened).needs_you
    assert f"{ASD}: the collapse guard warns: starved (and 1 more)" in needs


def test_failed_and_stale_cells_need_a_person(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_is(monkeypatch, stage3__digits_badnets_asd_0="not run yet", stage1__digits_badnets_none_0="new")
    RunRecord(opened.layout).failed(STAGE3, "loss is nan")
    needs = status.status_of(opened).needs_you
    assert f"{ASD} failed: stage3: loss is nan; mend it, then `asd run`" in needs
    assert "`asd run`: 1 of 2 cells are not up to date" in needs


def test_gates_that_do_not_hold_or_cannot_need_a_person(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_is(monkeypatch)
    set_params(opened.layout.root, ["gates.least_acc=0.9"])
    store.write_json(opened.layout.metrics(ASD), {"trusted": True, "acc": 0.5})
    needs = status.status_of(load_workspace(opened.layout.root)).needs_you
    assert any(text.startswith("gates.least_acc fails: acc of digits/badnets/asd/0 0.5000") for text in needs)
    set_params(opened.layout.root, ["cells.attacks=[none]", "gates.most_asr=0.1"])
    needs = status.status_of(load_workspace(opened.layout.root)).needs_you
    assert any("gates.most_asr has no figure" in text for text in needs)


def test_a_full_disk_needs_a_person(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_is(monkeypatch)
    monkeypatch.setattr(status, "_LOW_DISK", 2**70)
    assert any("`asd clean --dry-run`" in text for text in status.status_of(opened).needs_you)


def test_the_holder_of_the_workspace_is_told_while_it_lives(tmp_path: Path) -> None:
    import os

    layout = Layout(tmp_path)
    assert run_lock.holder(layout) is None
    with run_lock.hold_workspace(layout):
        assert run_lock.holder(layout) == os.getpid()
    assert run_lock.holder(layout) is None


def test_rehearsals_stand_with_their_age_and_a_cell_without_one_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from asd.cli import main

    plan_is(monkeypatch)
    kennel = Kennel(tmp_path / "w")
    words = ["status", "--workspace", str(kennel.root)]
    assert main(words) == 0
    assert "rehearsal of pets/none/asd/0: none yet (`asd rehearse`)\n" in capsys.readouterr().out
    line = kennel.rehearsed()
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "rehearsal of pets/none/asd/0 with badnets, 2026-11-22 (" in out
    assert f"; same data and params as now): {line.sentence}\n" in out
    (found,) = status.status_of(kennel.workspace).rehearsals
    assert (found.cell, found.last[0]["asr_defense"]) == ("pets/none/asd/0", 0.011)


def test_a_damaged_file_of_rehearsals_needs_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_is(monkeypatch)
    kennel = Kennel(tmp_path / "w")
    store.write_json(kennel.workspace.layout.rehearsals, {"not": "lines"})
    found = status.status_of(kennel.workspace)
    assert any("rehearsals.jsonl line 1 is no rehearsal" in text for text in found.needs_you)


def test_a_rehearsal_at_work_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_is(monkeypatch)
    kennel = Kennel(tmp_path / "w")
    with run_lock.hold_workspace(Layout(kennel.workspace.layout.rehearsal)):
        assert status.status_of(kennel.workspace).rehearsing == os.getpid()
