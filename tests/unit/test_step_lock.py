"""One writer per step and item."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from asd.errors import BusyError
from asd.layout import Layout
from asd.step_lock import hold_step
from asd.steps import StepItem

ITEM = StepItem("digits", "badnets", "asd", 0)
HOLDER = """
import sys, time
from pathlib import Path
from asd.layout import Layout
from asd.step_lock import hold_step
from asd.steps import StepItem
with hold_step(Layout(Path(sys.argv[1])), "stage1", StepItem("digits", "badnets", "asd", 0)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_the_pid(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(BusyError, match=rf"step stage1 digits/badnets/asd/0 .* \(process {holder.pid}\)"),
        hold_step(Layout(tmp_path), "stage1", ITEM, patience=0.2),
    ):
        pass


def test_an_orphan_that_dies_in_time_is_waited_for(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    timer = threading.Timer(0.5, holder.kill)
    timer.start()
    with hold_step(Layout(tmp_path), "stage1", ITEM, patience=30):
        locks = list((tmp_path / ".asd" / "locks").iterdir())
        assert [lock.read_text() for lock in locks] == [f"{os.getpid()}\n"]
    timer.join()


def test_another_item_and_another_step_are_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    other = StepItem("digits", "badnets", "asd", 1)
    with (
        hold_step(Layout(tmp_path), "stage1", other, patience=0),
        hold_step(Layout(tmp_path), "stage2", ITEM, patience=0),
    ):
        pass


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_step(Layout(tmp_path), "stage1", ITEM, patience=0):
            pass
