"""RUN: a cell as it is now, or as it was: `CELL`, `CELL@current`, `@previous`, `@DATE`, `@GITREV`.

Files of earlier results are read where they lie in DVC's cache; nothing is checked out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asd.audit.journal import State, committed, git, recorded
from asd.audit.record import STAGES
from asd.audit.runs import CURRENT, Run, audited_runs, current_run
from asd.cells import select_cells
from asd.errors import DataError, ParamsError, nearest
from asd.layout import Cell, Layout
from asd.verify import cache_folder, cached_listing, cached_object

PREVIOUS = "previous"
_MISSING = "not-recorded"  # a name that no cache has
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?")
_MOST_SHOWN = 8


def split_run(text: str) -> tuple[str, str]:
    """The cell's name and the revision of a RUN; `current` where it names none.

    Raises:
        ParamsError: nothing stands before or after the `@`.
    """
    cell, at, revision = text.partition("@")
    if not cell or (at and not revision):
        raise ParamsError(f"{text!r} is no RUN: wanted CELL, CELL@current, @previous, @DATE or @GITREV")
    return cell, revision or CURRENT


def find_run(layout: Layout, text: str) -> Run:
    """The run that a RUN names; its cell may be a glob or have no tail where that means one cell.

    Raises:
        ParamsError: no such cell or revision; names what there is.
        DataError: the files of the revision are gone.
    """
    name, revision = split_run(text)
    return run_at(layout, _one_cell(layout, name, text), revision)


def _one_cell(layout: Layout, name: str, text: str) -> Cell:
    runs = audited_runs(layout)
    if not runs:
        raise ParamsError("no cell is audited yet: `asd run`")
    cells = [run.cell for run in runs]
    found = select_cells(cells, [name], where="the audit knows")
    if len(found) > 1:
        shown = ", ".join(map(str, found[:_MOST_SHOWN])) + (", ..." if len(found) > _MOST_SHOWN else "")
        raise ParamsError(f"{text!r} means {len(found)} cells; name one of them: {shown}")
    return found[0]


def run_at(layout: Layout, cell: Cell, revision: str) -> Run:
    """A cell at a revision.

    Raises:
        ParamsError: no such revision of this cell; names what there is.
        DataError: its table of samples is no longer in the cache.
    """
    if revision == CURRENT:
        run = current_run(layout, cell)
        if not run.samples.is_file():
            raise ParamsError(f"{cell} is not audited yet: `asd run '{cell}'`")
        return run
    return run_of(layout, _state_at(layout, cell, revision), revision)


def run_of(layout: Layout, state: State, revision: str, cache: Path | None = None) -> Run:
    """The run whose files the cache keeps for a state; `cache` where it is known already.

    Raises:
        DataError: its table of samples is no longer there; says what removes it.
    """
    place, cell = cache or cache_folder(layout.root), state.cell

    def file(path: Path) -> Path:
        md5 = state.outs.get(path.relative_to(layout.root).as_posix())
        return cached_object(place, md5) if md5 else place / _MISSING

    run = Run(
        cell=cell,
        revision=revision,
        samples=file(layout.audit_samples(cell)),
        neighbours=file(layout.audit_neighbours(cell)),
        pools=file(layout.audit_pools(cell)),
        report=file(layout.audit_report(cell)),
        report_facts=file(layout.audit_report_facts(cell)),
        metrics=file(layout.metrics(cell)),
        histories=tuple(_within(place, file(layout.stage(cell, n)), "history.parquet") for n in STAGES),
    )
    if not run.samples.is_file():
        md5 = run.samples.parent.name + run.samples.name
        raise DataError(
            f"the results of {cell} recorded {state.at} are no longer in DVC's cache (no object {md5}): "
            "`asd clean --all` removes what neither dvc.lock nor an exported model names; a remote may "
            "still hold them (`dvc fetch` at that git revision)"
        )
    return run


def _within(cache: Path, listing: Path, name: str) -> Path:
    """A file of a cached folder."""
    for entry in cached_listing(listing):
        if entry["relpath"] == name:
            return cached_object(cache, str(entry["md5"]))
    return cache / _MISSING


# -- which state a revision means ----------------------------------------------------------------


def _state_at(layout: Layout, cell: Cell, revision: str) -> State:
    if revision == PREVIOUS:
        states = recorded(layout, cell)
        if len(states) < 2:
            raise ParamsError(f"{cell} has no earlier results on record; {_known(states)}")
        return states[-2]
    if _DATE.fullmatch(revision):
        states, latest = recorded(layout, cell), _latest(revision)
        before = [state for state in states if state.at <= latest]
        if not before:
            raise ParamsError(f"{cell} has no results recorded at or before {revision}; {_known(states)}")
        return before[-1]
    return _state_of_commit(layout, cell, revision)


def _latest(date: str) -> str:
    """The last second that a date means; a day means all of it (UTC)."""
    try:
        given = datetime.fromisoformat(date.removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError as error:
        raise ParamsError(
            f"{date!r} is no date: wanted one like 2026-01-31 or 2026-01-31T12:00 (UTC)"
        ) from error
    parts = date.count(":")
    last = given + (timedelta(days=1) if not parts else timedelta(minutes=1) if parts == 1 else timedelta(0))
    if parts < 2:
        last -= timedelta(seconds=1)
    return last.strftime("%Y-%m-%dT%H:%M:%SZ")


def _state_of_commit(layout: Layout, cell: Cell, revision: str) -> State:
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    found = git(layout, *words) if revision.isprintable() else None
    if found is None:
        states = recorded(layout, cell)
        close = nearest(revision, [CURRENT, PREVIOUS])
        raise ParamsError(
            f"{revision!r} is no revision of {cell}{close}: wanted current, previous, a date like "
            f"2026-01-31, or a git revision; {_known(states)}"
        )
    commit = found.decode().strip()
    seconds = git(layout, "show", "-s", "--format=%ct", commit) or b"0"
    at = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = committed(layout, commit, at).get(cell)
    if state is None:
        raise ParamsError(
            f"dvc.lock of git revision {revision} ({commit[:12]}) has no audited {cell}; commit dvc.lock "
            f"after a run; {_known(recorded(layout, cell))}"
        )
    return state


def _known(states: Sequence[State]) -> str:
    """What there is, as text that can be pasted after an `@`."""
    if not states:
        return "nothing of it is on record yet"
    shown = [state.commit[:12] if state.commit else state.at for state in states[-_MOST_SHOWN:]]
    return f"on record: {', '.join(shown)} (the last is current)"
