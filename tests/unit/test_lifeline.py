"""Real processes: who dies when, after kill -9 of the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asd.lifeline import PARENT, kill_group, run_and_forward
from tests.processes import is_gone

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
SLEEPER = "import os, sys, time\nfrom asd.lifeline import die_with_parent\ndie_with_parent()\n"
SLEEPER += "open(sys.argv[1], 'w').write(str(os.getpid()) + '\\n')\ntime.sleep(60)\n"


def wait_for_pid(file: Path) -> int:
    for _ in range(600):
        if file.exists() and file.read_text().endswith("\n"):
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError(f"no process wrote {file}")


def test_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    starter = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]])"
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, SLEEPER, str(tmp_path / "pid")], env=ENVIRONMENT
    )
    child = wait_for_pid(tmp_path / "pid")
    parent.kill()
    parent.wait()
    assert is_gone(child)


def test_child_whose_starter_is_dead_already_ends_at_once(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    environment = {**ENVIRONMENT, PARENT: str(dead.pid)}
    done = subprocess.run([sys.executable, "-c", SLEEPER, str(tmp_path / "pid")], env=environment, timeout=30)
    assert (done.returncode, (tmp_path / "pid").exists()) == (143, False)


def test_shell_between_starter_and_child_is_no_reason_to_end(tmp_path: Path) -> None:
    code = "from asd.lifeline import die_with_parent; die_with_parent()"
    environment = {**ENVIRONMENT, PARENT: str(os.getpid())}
    done = subprocess.run(["sh", "-c", f"{sys.executable} -c '{code}'; exit $?"], env=environment, timeout=30)
    assert done.returncode == 0


def test_grandchild_does_not_inherit_the_starter() -> None:
    code = "import os; from asd.lifeline import PARENT, die_with_parent; die_with_parent(); "
    code += "print(PARENT in os.environ)"
    environment = {**ENVIRONMENT, PARENT: str(os.getpid())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_forwarding_returns_the_exit_code_of_the_child(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    assert run_and_forward(command, cwd=tmp_path, env=ENVIRONMENT) == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_the_child_too(tmp_path: Path, number: int, code: int) -> None:
    starter = (
        "import os, sys, pathlib; from asd.lifeline import run_and_forward; sys.exit(run_and_forward("
        "[sys.executable, '-c', sys.argv[1], sys.argv[2]], cwd=pathlib.Path('.'), env=os.environ))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, SLEEPER, str(tmp_path / "pid")], env=ENVIRONMENT
    )
    child = wait_for_pid(tmp_path / "pid")
    parent.send_signal(number)
    assert (parent.wait(30), is_gone(child)) == (code, True)


def test_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER
    starter = (
        "import os, sys, pathlib; from asd.lifeline import run_and_forward; sys.exit(run_and_forward("
        "[sys.executable, '-c', sys.argv[1], sys.argv[2]], cwd=pathlib.Path('.'), env=os.environ, grace=0.2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter, deaf, str(tmp_path / "pid")], env=ENVIRONMENT)
    child = wait_for_pid(tmp_path / "pid")
    parent.terminate()
    assert (parent.wait(30), is_gone(child)) == (143, True)


def test_process_that_has_ended_but_was_not_collected_is_not_alive() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    assert is_gone(ended.pid)
    assert ended.wait() == 0


def test_killing_a_group_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    gone.wait()
    kill_group(gone.pid)
