"""The record of the last runs: which stages they left stale or failed."""

from pathlib import Path

import yaml

from asd.layout import Cell, Layout
from asd.operations.run_record import (
    RunRecord,
    cell_mark,
    params_changed,
    read_marks,
    read_seconds,
    stages_of,
)

CELL = Cell("digits", "badnets", "asd", 0)
STAGE1, STAGE2 = "stage1@digits-badnets-asd-0", "stage2@digits-badnets-asd-0"


def lock(root: Path, **entries: str) -> None:
    stages = {name.replace("__", "@"): {"cmd": cmd} for name, cmd in entries.items()}
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_the_stages_of_a_cell_are_named_as_in_dvc_yaml() -> None:
    assert stages_of(CELL) == [
        "fetch@digits",
        "prepare@digits-badnets",
        "poison@digits-badnets",
        "seed@digits-badnets-0",
        STAGE1,
        STAGE2,
        "stage3@digits-badnets-asd-0",
        "evaluate@digits-badnets-asd-0",
        "audit@digits-badnets-asd-0",
    ]


def test_without_a_run_nothing_is_marked(tmp_path: Path) -> None:
    assert read_marks(Layout(tmp_path)) == {}
    assert not params_changed(Layout(tmp_path))


def test_a_failed_stage_holds_its_cell_back_before_a_stale_one(tmp_path: Path) -> None:
    record = RunRecord(Layout(tmp_path))
    record.plan([(STAGE1, ""), (STAGE2, "not run yet"), ("fetch@digits", "x modified")])
    record.failed(STAGE2, "shard is broken")
    found = cell_mark(read_marks(Layout(tmp_path)), CELL)
    assert found is not None
    assert (found[0], found[1].state, found[1].text) == (STAGE2, "failed", "shard is broken")


def test_a_stage_that_is_done_loses_its_mark_and_leaves_its_seconds(tmp_path: Path) -> None:
    record = RunRecord(Layout(tmp_path))
    record.plan([(STAGE1, "not run yet"), (STAGE2, "not run yet")])
    record.done(STAGE1, 1.23456)
    record.done(STAGE2, None)
    assert read_marks(Layout(tmp_path)) == {}
    assert read_seconds(Layout(tmp_path)) == {STAGE1: 1.235}


def test_a_run_of_some_cells_keeps_the_marks_of_the_others(tmp_path: Path) -> None:
    RunRecord(Layout(tmp_path)).plan([(STAGE1, "x modified")])
    RunRecord(Layout(tmp_path)).plan([("fetch@gtsrb", "not run yet")])
    assert set(read_marks(Layout(tmp_path))) == {STAGE1, "fetch@gtsrb"}


def test_a_stage_that_somebody_ran_since_is_not_marked(tmp_path: Path) -> None:
    lock(tmp_path, stage1__digits="old", stage2__digits="old")
    RunRecord(Layout(tmp_path)).plan([("stage1@digits", "x modified"), ("stage2@digits", "x modified")])
    lock(tmp_path, stage1__digits="new", stage2__digits="old")
    assert set(read_marks(Layout(tmp_path))) == {"stage2@digits"}


def test_what_still_worked_at_the_end_was_stopped(tmp_path: Path) -> None:
    record = RunRecord(Layout(tmp_path))
    record.progress(STAGE1, "epoch 1/2")
    assert read_marks(Layout(tmp_path))[STAGE1].text == "epoch 1/2"
    record.end()
    assert read_marks(Layout(tmp_path))[STAGE1].state == "stale"


def test_the_first_words_of_a_stage_are_kept_at_once(tmp_path: Path) -> None:
    record = RunRecord(Layout(tmp_path))
    record.progress(STAGE1)
    record.progress(STAGE1, "epoch 1/2")
    assert read_marks(Layout(tmp_path))[STAGE1].text == "epoch 1/2"


def test_a_damaged_record_says_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.local.mkdir()
    for text in ("{", "[]", '{"run": 1}'):
        layout.run_record.write_text(text)
        assert read_marks(layout) == {}


def test_a_change_of_params_since_the_last_run_is_seen(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.params.write_text("a: 1\n")
    RunRecord(layout).plan([])
    assert not params_changed(layout)
    layout.params.write_text("a: 2\n")
    assert params_changed(layout)
