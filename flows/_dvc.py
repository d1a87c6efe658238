"""What is stale, and bringing one stage up to date: the only code that runs or imports dvc.

The plan comes from one in-process pass over DVC's own graph (`dvc.repo` is not a public
interface: it is used here and nowhere else). Each stage then runs as a child process in a
group of its own, which dies with us.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import BusyError, DiskError, ParamsError
from asd.layout import Cell
from asd.operations.foreign_errors import explain_dvc
from flows._cells import target
from flows._lines import Line, parse
from flows._process import child, stopping

_EXITED = re.compile(r"exited with (-?\d+)")
_INTERRUPTED = 130
_USER = 2  # the exit code of what a user can mend
_TAIL = 30  # last lines of a stage, shown when it failed without a word of its own


@dataclass(frozen=True)
class PlannedStage:
    """One stage of `dvc.yaml`, in an order in which the stages can run; `outs` below the workspace."""

    name: str
    upstream: tuple[str, ...]
    stale: bool
    reason: str
    outs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How one dvc process ended.

    `code` is the exit code of the step where it is known (0 done; 2, 3, 4 the user's or the
    data's; 130 interrupted), `message` says what went wrong in the step's own words.
    """

    code: int
    message: str = ""
    retry: bool = False
    cached: bool = False


# -- the plan ----------------------------------------------------------------------------


def stale_stages(root: Path, cells: Sequence[Cell], *, verbose: bool = False) -> list[PlannedStage]:
    """Every stage that `cells` need, upstream first, and whether it is stale.

    A stage behind a stale one counts as stale; when it is reached dvc may still find that
    nothing it reads has changed.

    Raises:
        ParamsError: `dvc.yaml` or `params.yaml` does not hold what dvc needs.
        BusyError: another dvc process works on these stages.
    """
    os.environ.update(quiet_dvc(os.environ))
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.log import logger
    from dvc.repo import Repo, lock_repo

    logger.setLevel("ERROR")
    try:
        with contextlib.closing(Repo(str(root))) as repo, lock_repo(repo):
            return _plan(repo, [target(cell) for cell in cells])
    except LockError as error:
        raise BusyError(_explained(error, f"another dvc process works in {root}", verbose)) from error
    except (DvcException, sqlite3.Error) as error:
        place = f"dvc cannot read the pipeline of {root}"
        kind = DiskError if "full" in str(error) else ParamsError
        raise kind(_explained(error, place, verbose)) from error


def _plan(repo: Any, targets: Sequence[str]) -> list[PlannedStage]:
    from dvc.repo.reproduce import get_active_graph

    graph = get_active_graph(repo.index.graph)
    by_name = {_name(stage): stage for stage in graph}
    plan: dict[str, PlannedStage] = {}

    def visit(stage: Any) -> None:
        if _name(stage) in plan:
            return
        upstream = sorted(graph.successors(stage), key=_name)
        for other in upstream:
            visit(other)
        names = tuple(map(_name, upstream))
        reason = _why(stage, [name for name in names if plan[name].stale])
        outs = tuple(str(out.def_path) for out in stage.outs)
        plan[_name(stage)] = PlannedStage(_name(stage), names, bool(reason), reason, outs)

    for name in targets:
        if name not in by_name:
            raise ParamsError(f"dvc.yaml has no stage {name}; is it that of `asd init`?")
        visit(by_name[name])
    return list(plan.values())


def _name(stage: Any) -> str:
    """Name in `dvc.yaml`; the file of a stage that stands in a `.dvc` file of its own."""
    return str(getattr(stage, "name", None) or stage.addressing)


def _why(stage: Any, stale_upstream: Sequence[str]) -> str:
    """Why a stage is stale in a few words; empty when it is current."""
    changes = [change for entries in stage.status(check_updates=True).values() for change in entries]
    if changes and not any(out.hash_info for out in stage.outs):
        return "not run yet"
    return _reason(changes) or (f"after {stale_upstream[0]}" if stale_upstream else "")


def _reason(changes: Sequence[str | Mapping[str, Mapping[str, Any]]]) -> str:
    """DVC's status entries of one stage in a few words; empty when it is current."""
    words: list[str] = []
    for change in changes:
        if isinstance(change, str):
            words.append(change)
            continue
        for entries in change.values():
            for path, what in entries.items():
                words += (
                    [f"{path}:{k} {v}" for k, v in what.items()]
                    if isinstance(what, dict)
                    else [f"{path} {what}"]
                )
    more = f" and {len(words) - 2} more" if len(words) > 2 else ""
    return ", ".join(words[:2]) + more


def _explained(error: BaseException, place: str, verbose: bool) -> str:
    """The error in our words; in dvc's where we have none, and those too when verbose."""
    raw = _whole(error)
    explained = explain_dvc(raw)
    one_line = " ".join(raw.split())
    if explained is None:
        return f"{place}: {one_line}"
    return f"{place}: {explained}" + (f"\ndvc said: {one_line}" if verbose else "")


def _whole(error: BaseException) -> str:
    """The texts of an error and of its causes, each once."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        if str(link) and str(link) not in texts:
            texts.append(str(link))
        link = link.__cause__
    return "\n".join(texts)


# -- running -----------------------------------------------------------------------------


def repro(root: Path, stage: str, on_line: Callable[[Line], None]) -> Outcome:
    """Bring one stage up to date: dvc restores it from its cache or runs its step."""
    return _dvc(root, ["repro", "--single-item", stage], on_line)


def repro_all(root: Path, cells: Sequence[Cell], on_line: Callable[[Line], None]) -> Outcome:
    """One plain `dvc repro` of all that the cells need; a failed cell does not stop the others."""
    return _dvc(root, ["repro", "--keep-going", *map(target, cells)], on_line)


def _dvc(root: Path, arguments: Sequence[str], on_line: Callable[[Line], None]) -> Outcome:
    command = [sys.executable, "-m", "flows._dvc_child", "--wait-for-lock", *arguments]
    reading = _Reading()
    with child(command, cwd=root, environment=child_environment()) as process:
        for raw in process.stdout or ():
            line = parse(raw)
            reading.take(line, raw)
            on_line(line)
    return reading.outcome(process.returncode)


class _Reading:
    """What the lines of a dvc process come to."""

    def __init__(self) -> None:
        self.cached = False
        self.errors: list[str] = []
        self.status: int | None = None
        self.tail: deque[str] = deque(maxlen=_TAIL)

    def take(self, line: Line, raw: str) -> None:
        exited = _EXITED.search(raw)
        if exited and self.status is None:
            self.status = int(exited[1])
        if line.kind == "cached":
            self.cached = True
        elif line.kind == "error":
            self.errors.append(line.text)
        elif line.kind in ("text", "dvc_error"):
            self.tail.append(line.text)

    def outcome(self, code: int) -> Outcome:
        """Tell a killed stage (worth another try) from a mistake (not) and from a bug."""
        if code == 0:
            return Outcome(0, cached=self.cached)
        if stopping():
            return Outcome(_INTERRUPTED, "stopped")
        number = signal_of(code if self.status is None else self.status)
        if number:
            return Outcome(128 + number, f"killed by {_signal_name(number)}", retry=True)
        if self.errors:
            return Outcome(self.status or 1, "\n".join(self.errors))
        said = "\n".join(self.tail)
        explained = explain_dvc(said) if self.status is None else None  # else a step failed, not dvc
        if explained is not None:
            return Outcome(_USER, str(explained), retry=explained.retry)
        return Outcome(self.status or 1, said or f"dvc ended with exit code {code} and said nothing")


def signal_of(code: int) -> int:
    """The signal behind an exit code: of Python (negative) or of a shell (128 + n); else 0."""
    if code < 0:
        return -code
    return code - 128 if 128 < code < 160 else 0


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def child_environment() -> dict[str, str]:
    """Environment of a stage: our Python first, events as JSON, a plain shell, no analytics."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**quiet_dvc(os.environ), "PATH": path, "ASD_PROGRESS": "json", "SHELL": "/bin/sh"}


def quiet_dvc(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with dvc's analytics off and without another dvc's stage in it."""
    inherited = ("DVC_STAGE", "DVC_ROOT")
    return {**{k: v for k, v in environment.items() if k not in inherited}, "DVC_NO_ANALYTICS": "1"}
