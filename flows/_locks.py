"""Clearing what a killed dvc left behind, when it is proved that nobody holds it any more.

DVC keeps process ids in `.dvc/tmp/rwlock`. An entry whose id now belongs to some other
process blocks dvc for ever (usual in containers, where ids are small), and so does a file
that was cut off while it was being written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from asd.errors import BusyError

_DVC_WORDS = ("dvc", "flows._dvc_child")


def clear_dead_rwlock(root: Path) -> str | None:
    """Remove dvc's lock file when no dvc process of this workspace lives.

    To be called while our own run lock is held.

    Returns:
        What was done, in a line; None when there was nothing to do.

    Raises:
        BusyError: a dvc process that somebody started by hand works here.
    """
    file = root / ".dvc" / "tmp" / "rwlock"
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    try:
        pids = sorted(set(_pids(json.loads(text))))
    except ValueError:
        pids = None
    if pids == []:
        return None
    for process in psutil.process_iter():
        if _is_dvc_of(process, root):
            raise BusyError(f"dvc (process {process.pid}) works in {root}; wait for it or stop it")
    file.unlink(missing_ok=True)
    if pids is None:
        return f"removed {file.relative_to(root)}: it was cut off by a killed dvc"
    dead = ", ".join(map(str, pids))
    return f"removed {file.relative_to(root)}: left by a killed dvc (process {dead})"


def _pids(locks: Any) -> Iterator[int]:
    """Process ids in dvc's file: {"read": {path: [info]}, "write": {path: info}}."""
    if not isinstance(locks, dict):
        raise ValueError("not a mapping")
    for paths in locks.values():
        for infos in paths.values():
            for info in infos if isinstance(infos, list) else [infos]:
                if "pid" in info:
                    yield int(info["pid"])


def _is_dvc_of(process: psutil.Process, root: Path) -> bool:
    try:
        words = process.cmdline()
        inside = Path(process.cwd()).is_relative_to(root.resolve())
    except psutil.Error:
        return False
    scripts = [word for word in words[1:] if not word.startswith("-")][:1]  # after the interpreter
    return inside and any(Path(word).name in _DVC_WORDS for word in [*words[:1], *scripts])
