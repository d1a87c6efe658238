"""One writer per step and item (or per anything with a lock file), also beside an orphan of a killed run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from asd.errors import BusyError
from asd.layout import Layout
from asd.steps import StepItem
from asd.store import disk_errors

ORPHAN_SECONDS = 15.0  # an orphan of a killed run needs a moment to notice and die
_POLL_SECONDS = 0.1


@contextlib.contextmanager
def hold_step(
    layout: Layout, step: str, item: StepItem, *, patience: float = ORPHAN_SECONDS
) -> Iterator[None]:
    """Hold the lock of `step` for `item`; the system frees it when the process ends, however it ends.

    Args:
        patience: seconds to wait for a holder that is about to die.

    Raises:
        BusyError: another process still holds it then; names its pid.
    """
    path = layout.step_lock(f"{step}@{str(item).replace('/', '-')}")
    with hold(path, f"step {step} {item}", patience=patience):
        yield


@contextlib.contextmanager
def hold(path: Path, what: str, *, patience: float = ORPHAN_SECONDS) -> Iterator[None]:
    """Hold the lock of a file; the system frees it when the process ends, however it ends.

    Args:
        what: what is locked, for the error.
        patience: seconds to wait for a holder that is about to die.

    Raises:
        BusyError: another process still holds it then; names its pid.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    with stream:
        _lock(stream, what, patience)
        with disk_errors(path):  # unbuffered: closing must not fail a second time on a full disk
            os.ftruncate(stream.fileno(), 0)
            os.write(stream.fileno(), f"{os.getpid()}\n".encode())
        yield


def is_held(file: Path) -> bool:
    """Whether a process holds the lock of this file. Looking disturbs no other who looks."""
    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock(stream: TextIO, what: str, patience: float) -> None:
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                stream.seek(0)
                holder = stream.read().strip() or "unknown"
                raise BusyError(
                    f"{what} is already running (process {holder}); wait for it or stop it"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
