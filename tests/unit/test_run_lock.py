from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from asd.errors import BusyError
from asd.layout import Layout
from asd.run_lock import hold_workspace


def test_second_run_in_a_workspace_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with (
        hold_workspace(Layout(tmp_path)),
        pytest.raises(BusyError, match=re.escape(f"another asd run (pid {os.getpid()})")),
        hold_workspace(Layout(tmp_path)),
    ):
        pass


def test_workspace_is_free_again_after_a_run(tmp_path: Path) -> None:
    with hold_workspace(Layout(tmp_path)):
        pass
    with hold_workspace(Layout(tmp_path)):
        assert Layout(tmp_path).run_lock.read_text() == f"{os.getpid()}\n"


def test_lock_left_by_a_killed_run_blocks_nobody(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.run_lock.parent.mkdir()
    layout.run_lock.write_text("1\n")
    with hold_workspace(layout):
        assert layout.run_lock.read_text() == f"{os.getpid()}\n"
