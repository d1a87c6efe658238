"""One `asd run` at a time in a workspace, and one `asd serve`."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

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
    with _hold(layout.run_lock, "another asd run (pid %s) works in this workspace: ", layout):
        yield


@contextlib.contextmanager
def hold_service(layout: Layout) -> Iterator[None]:
    """Be the `asd serve` of the workspace.

    Raises:
        BusyError: another one is; names its process id.
        DiskError: the workspace may not be written to.
    """
    with _hold(layout.service_lock, "another asd serve (pid %s) serves this workspace: ", layout):
        yield


@contextlib.contextmanager
def _hold(lock: Path, busy: str, layout: Layout) -> Iterator[None]:
    with disk_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a+")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise BusyError(busy % (stream.read().strip() or "unknown") + str(layout.root)) from None
        with disk_errors(lock):  # unbuffered: closing must not fail a second time on a full disk
            os.ftruncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"{os.getpid()}\n".encode())
        try:
            yield
        finally:  # this process may live on: whoever asks must not have to try the lock
            with contextlib.suppress(OSError):
                os.ftruncate(stream.fileno(), 0)


def holder(layout: Layout) -> int | None:
    """The process id of the run that holds the workspace; None if none does."""
    return _holder(layout.run_lock)


def service_holder(layout: Layout) -> int | None:
    """The process id of the `asd serve` of the workspace; None if there is none."""
    return _holder(layout.service_lock)


def _holder(lock: Path) -> int | None:
    try:
        pid = int(lock.read_text())
    except (OSError, ValueError):
        return None
    if not is_alive(pid):  # so that the lock is tried only where it is probably held
        return None
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return pid
    return None
