"""What the pages ask of the ledger, and what of it is kept between two requests.

A ledger and the counts to filter by are kept as long as the files that they come from are the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from asd import store
from asd.audit.ledger import Ledger
from asd.audit.queries import Facets, SampleFilter, SamplePage, facets, sample_page
from asd.audit.runs import Run, audited_runs, current_run
from asd.errors import DataError
from asd.layout import Cell, Layout

_LEDGERS = 3
_FACTS = 64
_MOST_IN_MEMORY = 3_000_000

Stamp = tuple[int, int, int] | None


class Kept:
    """The last values by name, each with what it was made from; may be used from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()

    def get(self, name: Hashable, made_from: Hashable, make: Callable[[], Any]) -> Any:
        """The value of this name; made anew if it is unknown or was made from something else."""
        with self._lock:
            known = self._values.get(name)
            if known is not None and known[0] == made_from:
                self._values.move_to_end(name)
                return known[1]
        value = make()
        with self._lock:
            self._values[name] = (made_from, value)
            self._values.move_to_end(name)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class Data:
    """The audited runs of a workspace."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ledgers = Kept(_LEDGERS)
        self._facts = Kept(_FACTS)

    def runs(self) -> list[Run]:
        """Every cell that has been audited."""
        return audited_runs(self._layout)

    def run(self, cell: Cell) -> Run | None:
        """The run of a cell; None if it is not audited yet."""
        run = current_run(self._layout, cell)
        return run if run.samples.is_file() else None

    def ledger(self, *runs: Run) -> Ledger:
        """A database over these runs.

        Raises:
            DataError: a file is missing or damaged.
        """
        made_from = tuple(identity(run) for run in runs)
        found: Ledger = self._ledgers.get(
            tuple(run.name for run in runs), made_from, lambda: Ledger(self._layout, runs)
        )
        return found

    def facets(self, run: Run) -> Facets:
        """The values to filter by, with counts."""
        found: Facets = self.kept("facets", run, lambda: facets(self._loaded(run), run))
        return found

    def page(
        self, run: Run, where: SampleFilter, *, sort: str, descending: bool, limit: int, offset: int
    ) -> SamplePage:
        """A page of samples, as `queries.sample_page` gives it.

        Raises:
            ParamsError: there is no such sort.
        """
        ledger = self._loaded(run)
        return sample_page(ledger, run, where, sort=sort, descending=descending, limit=limit, offset=offset)

    def _loaded(self, run: Run) -> Ledger:
        """The ledger with what galleries need in memory, as long as that is not too much."""
        ledger = self.ledger(run)
        if ledger.count(run) <= _MOST_IN_MEMORY:
            ledger.load(run)
        return ledger

    def kept(self, name: Hashable, run: Run, make: Callable[[], Any]) -> Any:
        """Something that is made from the files of a run, made once."""
        return self._facts.get((name, run.name), identity(run), make)


def identity(run: Run) -> tuple[Stamp, ...]:
    """Changes when a file of the run is replaced."""
    files = (run.samples, run.neighbours, run.pools, run.metrics, *run.histories)
    return tuple(stamp(file) for file in files)


def stamp(file: Path) -> Stamp:
    """Inode, size and time of change of a file; None if there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_facts(file: Path) -> dict[str, Any]:
    """A JSON object; empty if there is no such file yet.

    Raises:
        DataError: it is damaged.
    """
    if not file.is_file():
        return {}
    found = store.read_json(file)
    if not isinstance(found, dict):
        raise DataError(f"{file} holds no facts")
    return found
