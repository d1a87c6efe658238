"""One `asd run` at a time in a workspace."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from asd.errors import BusyError
from asd.layout import Layout
from asd.lifeline import is_alive
from asd.store import disk_errors


@contextlib.contextmanager
def hold_workspace(layout: Layout) -> Iterator[None]:
    """Hold the workspace; the system frees it when the process ends, however it ends.

    Raises:
        BusyError: another run holds it; names its process id.
        DiskError: the workspace may not be written to.
    """
    with disk_errors(layout.run_lock):
        layout.run_lock.parent.mkdir(parents=True, exist_ok=True)
        stream = layout.run_lock.open("a+")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise BusyError(
                f"another asd run (pid {holder}) works in this workspace: {layout.root}"
            ) from None
        with disk_errors(layout.run_lock):  # unbuffered: closing must not fail a second time on a full disk
            os.ftruncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"{os.getpid()}\n".encode())
        yield


def holder(layout: Layout) -> int | None:
    """The process id of the run that holds the workspace; None if none does."""
    try:
        pid = int(layout.run_lock.read_text())
    except (OSError, ValueError):
        return None
    if not is_alive(pid):  # so that the lock is tried only where it is probably held
        return None
    with layout.run_lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return pid
    return None
