"""Child processes in groups of their own, all of which can be ended at once.

A child dies when this process dies (it calls `die_with_parent`), and nothing of its group is
left when it has ended: a process that a killed step leaves behind would hold our pipe open.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asd.errors import AsdError
from asd.lifeline import PARENT, kill_group

_running: set[int] = set()
_guard = threading.Lock()
_stopping = threading.Event()


def stopping() -> bool:
    """Whether `kill_all` was called: what fails from now on was ended by us."""
    return _stopping.is_set()


def kill_all() -> None:
    """End every child and its group at once, and let no other start."""
    with _guard:
        _stopping.set()
        groups = list(_running)
    for group in groups:
        kill_group(group)


@contextlib.contextmanager
def child(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Start a child whose standard output and error can be read as lines; wait for its end.

    The thread that starts it must be the one that waits: the kernel ties a child to the thread.

    Raises:
        AsdError: `kill_all` was called before.
    """
    with _guard:
        if stopping():
            raise AsdError("the run is being stopped")
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**environment, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        _running.add(process.pid)
    sweeper = threading.Thread(target=_sweep, args=(process,), daemon=True)
    sweeper.start()
    try:
        with process:
            try:
                yield process
            except BaseException:
                kill_group(process.pid)
                raise
            finally:
                sweeper.join()
    finally:
        with _guard:
            _running.discard(process.pid)


def _sweep(process: subprocess.Popen[str]) -> None:
    """When the child has ended (and still holds its id), kill what is left of its group."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    kill_group(process.pid)
