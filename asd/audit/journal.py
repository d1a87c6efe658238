"""Which results of each cell were there, and when: from `dvc.lock`, a journal beside it, and git.

DVC keeps the files of earlier results in its cache but no list of them, so whatever audits a cell
notes the hashes it finds in `dvc.lock`: one line for each state not seen before.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from asd.errors import AsdError, DataError
from asd.layout import Cell, Layout
from asd.step_lock import hold_step
from asd.steps import STEPS, StepItem
from asd.store import atomic_file

_STEPS = (*STEPS[STEPS.index("stage1") :],)
_AUDIT = re.compile(r"data/runs/([^/]+)/([^/]+)/([^/]+)/(\d+)/audit/samples\.parquet")
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_MOST_COMMITS = 100
_PATIENCE = 2.0


@dataclass(frozen=True)
class State:
    """The results of one cell at one time.

    Attributes:
        cell: the cell.
        at: when it was first seen, UTC, `2026-01-31T12:00:00Z`.
        outs: path in the workspace -> MD5 (folders with `.dir`) of what the training stages,
            `evaluate` and `audit` wrote.
        commit: the git commit that recorded it, if that is where it was found.
    """

    cell: Cell
    at: str
    outs: dict[str, str]
    commit: str | None = None


def states_in(text: bytes, at: str, commit: str | None = None) -> dict[Cell, State]:
    """The audited cells of a `dvc.lock`.

    Raises:
        DataError: it is not a DVC lock file.
    """
    try:
        loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        stages = (loaded or {}).get("stages") or {}
        outs = {name: list(entry.get("outs") or ()) for name, entry in stages.items()}
        written = {
            name: {str(out["path"]): str(out["md5"]) for out in found if "md5" in out}
            for name, found in outs.items()
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise DataError("dvc.lock is not a DVC lock file; take it back from git, or `asd run`") from error
    found = {}
    for paths in [paths for name, paths in written.items() if name.startswith("audit@")]:
        match = next((m for m in map(_AUDIT.fullmatch, paths) if m), None)
        if match:
            cell = Cell(match[1], match[2], match[3], int(match[4]))
            names = [f"{step}@{str(cell).replace('/', '-')}" for step in _STEPS]
            merged = {path: md5 for name in names for path, md5 in written.get(name, {}).items()}
            found[cell] = State(cell, at, merged | paths, commit)
    return found


def current_states(layout: Layout) -> dict[Cell, State]:
    """The audited cells of the workspace's `dvc.lock`; none where there is no such file.

    Raises:
        DataError: it is not a DVC lock file.
    """
    lock = layout.pipeline_lock
    try:
        text, changed = lock.read_bytes(), lock.stat().st_mtime
    except FileNotFoundError:
        return {}
    return states_in(text, _time(changed))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- the journal ---------------------------------------------------------------------------------


def note_states(layout: Layout) -> None:
    """Add a line to the journal for each cell whose results in `dvc.lock` are not its last line.

    Does nothing where the workspace cannot be written to, or another process is doing it: the
    next command notes it then.

    Raises:
        DataError: `dvc.lock` or the journal is damaged.
    """
    current = current_states(layout)
    if not _unseen(layout, current):
        return
    try:
        with hold_step(layout, "revisions", StepItem("journal"), patience=_PATIENCE):
            new = _unseen(layout, current)
            before = layout.revision_journal.read_bytes() if layout.revision_journal.exists() else b""
            with atomic_file(layout.revision_journal) as temporary:
                temporary.write_bytes(before + b"".join(map(_line, new)))
    except (AsdError, OSError):
        return


def _unseen(layout: Layout, current: dict[Cell, State]) -> list[State]:
    last = {state.cell: state for state in read_journal(layout)}
    new = []
    for cell, state in current.items():
        before = last.get(cell)
        if before is None or before.outs != state.outs:
            # a lock file that was copied back is older than it should be; times only go up
            new.append(State(cell, max(state.at, before.at if before else ""), state.outs))
    return new


def _line(state: State) -> bytes:
    fields = {"at": state.at, "cell": str(state.cell), "outs": state.outs}
    return (json.dumps(fields, sort_keys=True) + "\n").encode()


def read_journal(layout: Layout) -> list[State]:
    """The lines of the journal, oldest first; none if there is no file.

    Raises:
        DataError: a line is damaged; names it.
    """
    file = layout.revision_journal
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [_state(line, f"{file} line {number}") for number, line in enumerate(lines, 1)]


def _state(line: bytes, where: str) -> State:
    try:
        found: Any = json.loads(line)
        dataset, attack, defense, trial = found["cell"].split("/")
        outs = {str(path): str(md5) for path, md5 in found["outs"].items()}
        if not all(_MD5.fullmatch(md5) for md5 in outs.values()):
            raise ValueError("no MD5")
        return State(Cell(dataset, attack, defense, int(trial)), str(found["at"]), outs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where} is damaged; delete the file (only the list of earlier results is lost)"
        ) from error


# -- git -----------------------------------------------------------------------------------------


def committed(layout: Layout, commit: str, at: str) -> dict[Cell, State]:
    """The audited cells of `dvc.lock` in a git commit; none where the commit has no such file.

    Raises:
        DataError: it is not a DVC lock file.
    """
    text = git(layout, "show", f"{commit}:./{layout.pipeline_lock.name}")
    return {} if text is None else states_in(text, at, commit)


def commits(layout: Layout) -> Iterator[tuple[str, str]]:
    """Hash and time of the latest commits that changed `dvc.lock`, newest first; none without git."""
    said = git(layout, "log", f"-n{_MOST_COMMITS}", "--format=%H %ct", "--", layout.pipeline_lock.name)
    for line in (said or b"").decode().splitlines():
        commit, _, seconds = line.partition(" ")
        yield commit, _time(int(seconds))


def git(layout: Layout, *words: str) -> bytes | None:
    """What git says in the workspace; None if it fails or is not installed."""
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", "-C", str(layout.root), *words], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def recorded(layout: Layout, cell: Cell) -> list[State]:
    """Every state of a cell on record in git, in the journal and in `dvc.lock`, oldest first.

    One that follows an equal one is left out.

    Raises:
        DataError: `dvc.lock` or the journal is damaged.
    """
    found: list[State] = []
    for commit, at in commits(layout):
        found += _of(cell, committed(layout, commit, at))
    found += [state for state in read_journal(layout) if state.cell == cell]
    found.sort(key=lambda state: state.at)
    now = current_states(layout).get(cell)
    if now is not None:
        found.append(State(cell, max([now.at, *(state.at for state in found)]), now.outs))
    changes: list[State] = []
    for state in found:
        if not changes or changes[-1].outs != state.outs:
            changes.append(state)
    return changes


def _of(cell: Cell, states: dict[Cell, State]) -> Iterable[State]:
    return [states[cell]] if cell in states else []
