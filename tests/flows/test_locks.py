from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asd.errors import BusyError
from flows._locks import clear_dead_rwlock


def rwlock(root: Path, text: str) -> Path:
    file = root / ".dvc" / "tmp" / "rwlock"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def held_by(pid: int) -> str:
    return json.dumps({"write": {"data/x": {"pid": pid, "cmd": "dvc repro"}}, "read": {}})


def test_nothing_to_clear_without_a_lock_file(tmp_path: Path) -> None:
    assert clear_dead_rwlock(tmp_path) is None


def test_lock_that_nobody_holds_stays(tmp_path: Path) -> None:
    file = rwlock(tmp_path, '{"read": {"data/x": []}}')
    assert (clear_dead_rwlock(tmp_path), file.exists()) == (None, True)


def test_lock_whose_process_id_is_another_program_now_is_cleared_and_said(tmp_path: Path) -> None:
    file = rwlock(tmp_path, held_by(os.getpid()))
    said = clear_dead_rwlock(tmp_path)
    assert said == f"removed .dvc/tmp/rwlock: left by a killed dvc (process {os.getpid()})"
    assert not file.exists()


@pytest.mark.parametrize("text", ["", '{"write": {"da', "[]"])
def test_lock_cut_off_while_it_was_written_is_cleared(tmp_path: Path, text: str) -> None:
    file = rwlock(tmp_path, text)
    assert "cut off" in str(clear_dead_rwlock(tmp_path))
    assert not file.exists()


def test_lock_of_a_dvc_that_works_here_is_left_alone(tmp_path: Path) -> None:
    script = tmp_path / "dvc"
    script.write_text("print(flush=True)\nimport time\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, str(script), "repro"], cwd=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        file = rwlock(tmp_path, held_by(process.pid))
        with pytest.raises(BusyError, match=f"process {process.pid}"):
            clear_dead_rwlock(tmp_path)
        process.kill()
    assert file.exists()
