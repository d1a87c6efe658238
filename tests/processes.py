"""What tests of processes share."""

from __future__ import annotations

import time

from asd.lifeline import is_alive


def is_gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False
