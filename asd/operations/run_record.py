"""What the last runs planned and how far they came (`.asd/record.json`, of this machine only).

It lets the table and `asd status` say which figures are of an earlier run without asking DVC.
A mark of a stage holds as long as the stage's entry in `dvc.lock` is the one that the plan
saw: whoever brings the stage up to date, also a plain `dvc repro`, lifts it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asd.errors import DiskError
from asd.layout import Cell, Layout
from asd.steps import STEPS, StepItem, stage_name
from asd.store import write_json

_EVERY = 2.0  # seconds between two writes of progress


@dataclass(frozen=True)
class Mark:
    """A stage that is not up to date: `stale`, `running` or `failed`, and why or how far."""

    state: str
    text: str
    entry: str | None = None


class RunRecord:
    """Notes of one run; may be called from several threads.

    A record that cannot be written (a full disk) never ends a run.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = layout.run_record
        self._lock = threading.Lock()
        self._last_write = 0.0
        self._entries = _lock_entries(layout.root / "dvc.lock")
        old = _read(self._path)
        self._marks: dict[str, dict[str, Any]] = dict(old["stages"])
        self._seconds: dict[str, float] = dict(old["seconds"])
        self._run: dict[str, Any] = {"pid": os.getpid(), "started": time.time(), "ended": None}
        self._params = _params_hash(layout)

    def plan(self, stages: Iterable[tuple[str, str]]) -> None:
        """Note every planned stage with the reason why it is stale; "" where it is current."""
        with self._lock:
            for name, reason in stages:
                self._marks.pop(name, None)
                if reason:
                    self._marks[name] = asdict(Mark("stale", reason, self._entries.get(name)))
            self._write()

    def progress(self, name: str, text: str = "") -> None:
        """A stage works; `text` is its last line of progress."""
        with self._lock:
            before = self._marks.get(name, {})
            first = before.get("state") != "running" or not before.get("text")
            self._marks[name] = asdict(Mark("running", text, self._entries.get(name)))
            if first or time.monotonic() - self._last_write > _EVERY:
                self._write()

    def done(self, name: str, seconds: float | None) -> None:
        """A stage is up to date; `seconds` it took, None where a cache had it."""
        with self._lock:
            self._marks.pop(name, None)
            if seconds is not None:
                self._seconds[name] = round(seconds, 3)
            self._write()

    def failed(self, name: str, message: str) -> None:
        """A stage failed, with its message."""
        with self._lock:
            self._marks[name] = asdict(Mark("failed", message, self._entries.get(name)))
            self._write()

    def end(self) -> None:
        """The run is over: what still works was stopped."""
        with self._lock:
            for mark in self._marks.values():
                if mark["state"] == "running":
                    mark.update(state="stale", text="the run was stopped")
            self._run["ended"] = time.time()
            self._write()

    def _write(self) -> None:
        self._last_write = time.monotonic()
        value = {
            "run": self._run,
            "params": self._params,
            "stages": self._marks,
            "seconds": self._seconds,
        }
        with contextlib.suppress(DiskError):
            write_json(self._path, value)


# -- reading -----------------------------------------------------------------------------------


def stages_of(cell: Cell) -> list[str]:
    """The names in `dvc.yaml` of all stages that a cell needs, in order."""
    item = StepItem(cell.dataset, cell.attack, cell.defense, cell.trial)
    return [stage_name(step, item) for step in STEPS]


def read_marks(layout: Layout) -> dict[str, Mark]:
    """Stages that the last runs left stale or failed, and that nobody has run since."""
    marks = {name: Mark(**mark) for name, mark in _read(layout.run_record)["stages"].items()}
    if not marks:
        return {}
    entries = _lock_entries(layout.root / "dvc.lock")
    return {name: mark for name, mark in marks.items() if mark.entry == entries.get(name)}


def read_seconds(layout: Layout) -> dict[str, float]:
    """Seconds that each stage took when it last ran from `asd run`."""
    return dict(_read(layout.run_record)["seconds"])


def params_changed(layout: Layout) -> bool:
    """Whether `params.yaml` is another than at the last run; False when there was none."""
    before = _read(layout.run_record)["params"]
    return before is not None and before != _params_hash(layout)


def cell_mark(marks: Mapping[str, Mark], cell: Cell) -> tuple[str, Mark] | None:
    """What holds a cell back: a failed stage before a working one before the first stale one."""
    found = [(name, marks[name]) for name in stages_of(cell) if name in marks]
    for state in ("failed", "running", "stale"):
        for name, mark in found:
            if mark.state == state:
                return name, mark
    return None


def _read(path: Path) -> dict[str, Any]:
    """The file; an absent or damaged one says nothing."""
    empty: dict[str, Any] = {"run": None, "params": None, "stages": {}, "seconds": {}}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return empty
    return found if isinstance(found, dict) and set(found) == set(empty) else empty


def _params_hash(layout: Layout) -> str | None:
    try:
        return hashlib.sha256(layout.params.read_bytes()).hexdigest()
    except OSError:
        return None


def _lock_entries(lock: Path) -> dict[str, str]:
    """Stage -> SHA-256 of what `dvc.lock` says of it; nothing where it cannot be read."""
    import yaml

    try:
        loaded = yaml.load(lock.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        stages = loaded["stages"].items()
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}
    return {
        str(name): hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode()).hexdigest()
        for name, entry in stages
    }
