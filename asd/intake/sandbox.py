"""What a process that touches strangers' bytes may still do: compute, and answer over its pipe."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import sys

from asd.intake.syscalls import allow_only_computing
from asd.lifeline import die_with_parent

_MOST_HANDLES = 64
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38


def enter(most_memory: int, *, most_written: int = 0, reading_files: bool = False) -> None:
    """Give up, for good, what this process does not need.

    No file is opened to be written, no program or thread started, no socket made, no core dumped, no
    privileges are gained; it dies with its parent. The limit of memory counts from what is taken now.
    What the process will need must be imported by then.

    Args:
        most_memory: bytes that it may take beside what it has.
        most_written: bytes that a file which is open may grow to.
        reading_files: whether it may go on to open files for reading.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gate, which then closes the pipes
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, most_written)
    _lower(resource.RLIMIT_NOFILE, _MOST_HANDLES)
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _lower(resource.RLIMIT_DATA, _kib("VmData") * 1024 + most_memory)
        _lower(resource.RLIMIT_AS, _kib("VmSize") * 1024 + 2 * most_memory)
        allow_only_computing(reading_files=reading_files)


def _lower(which: int, value: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # what is lower already stays
        resource.setrlimit(which, (value, value))


def _kib(name: str) -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith(name + ":"))
