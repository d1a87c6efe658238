"""Dying with the parent: no process of a run may outlive the one that started it.

`kill -9` leaves nobody time to clean up, so each process of the chain `asd run` -> flow ->
`dvc` -> `asd step` asks the kernel to be killed when its parent dies. A starter puts its own
process id into the environment variable `ASD_PARENT`; `dvc.yaml` does so with `$PPID`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

PARENT = "ASD_PARENT"
"""Environment variable with the process id of whoever started this process."""

_PR_SET_PDEATHSIG = 1
_STOPPED_BY_PARENT = 143
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def die_with_parent() -> None:
    """Make this process end when its parent ends; end at once if the parent is gone already.

    On Linux the kernel kills it (SIGKILL) as soon as the parent's thread that started it
    ends; elsewhere a thread looks once a second.
    """
    expected = int(os.environ.pop(PARENT, "") or 0)
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    # a shell between the two is no reason to end: only a starter that is dead is
    if os.getppid() != parent or (expected and expected != parent and not is_alive(expected)):
        os._exit(_STOPPED_BY_PARENT)


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs; one that has ended and waits to be collected does not."""
    if sys.platform == "linux":
        try:
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in (b"Z", b"X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(_STOPPED_BY_PARENT)


class _StopSignalError(BaseException):
    """A signal that asks this process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_and_forward(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], grace: float = 10.0, quiet: bool = False
) -> int:
    """Run a child that lives in a session of its own; pass on Ctrl-C, SIGTERM and SIGHUP.

    The child gets the signal as SIGTERM (so that Ctrl-C in a terminal arrives once) and
    `grace` seconds to stop what it started; a second signal ends the wait. With `quiet` its
    standard output goes to standard error.

    Returns:
        The child's exit code, or 128 + the number of the signal that stopped it or us.
    """
    old = {number: signal.signal(number, _raise_stop) for number in _SIGNALS}
    child: subprocess.Popen[bytes] | None = None
    try:
        whole = {**env, PARENT: str(os.getpid())}
        output = sys.stderr.fileno() if quiet else None
        child = subprocess.Popen(list(command), cwd=cwd, env=whole, start_new_session=True, stdout=output)
        code = child.wait()
        return code if code >= 0 else 128 - code
    except _StopSignalError as stop:
        if child is not None:
            _stop(child, grace)
        return 128 + stop.number
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _raise_stop(number: int, frame: FrameType | None) -> None:
    raise _StopSignalError(number)


def _stop(child: subprocess.Popen[bytes], grace: float) -> None:
    """End the child: politely, then by force with all of its session's first group."""
    try:
        child.terminate()
        child.wait(grace)
    except (subprocess.TimeoutExpired, _StopSignalError):
        kill_group(child.pid)
        child.wait()


def kill_group(group: int) -> None:
    """Kill every process of a process group, if any is left."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
