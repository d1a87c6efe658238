"""One row per cell: what a run came to. Reads small JSON files only; imports no torch."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asd import store
from asd.layout import Cell, Layout
from asd.metrics import UNTRUSTED, WHY_UNTRUSTED
from asd.operations.run_record import cell_mark, params_changed, read_marks
from asd.params import Workspace

COLUMNS = (
    "dataset",
    "attack",
    "defense",
    "trial",
    "acc",
    "acc_untrusted",
    "n_acc",
    "asr",
    "n_asr",
    "asr_base",
    "clean_pool",
    "poison_in_pool",
    "seconds",
)
UNTRUSTED_NOTE = f"{UNTRUSTED}: {WHY_UNTRUSTED}"
OLD_FIGURES = frozenset({"stale", "failed", "running"})
NO_BASE_NOTE = "asr base –: the clean pictures of the triggered ones are not known"
WHY_OLD = (
    "stale, failed, running: figures in such a row are of an earlier run; `asd status` says why, "
    "`asd run` renews them"
)
WHY_CHANGED = (
    "params.yaml was changed after the last run: figures may be of the params before; `asd status` says which"
)
_OF_METRICS = ("acc", UNTRUSTED, "n_acc", "asr", "n_asr", "asr_base")
_STAGES = (1, 2, 3)
_ABSENT = "–"


def rows(workspace: Workspace, cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """One dictionary per cell with the keys of `COLUMNS`.

    acc, asr and asr_base are fractions 0 to 1; clean_pool and poison_in_pool count samples of
    the final pool; seconds are those of the three stages. What is not there (not run, failed,
    not known) is None. Where nobody vouches for the test labels, acc is None and acc_untrusted
    has the figure.

    Raises:
        DataError: a result file is there but cannot be read.
    """
    return [of_cell(workspace.layout, cell) for cell in cells]


def of_cell(layout: Layout, cell: Cell) -> dict[str, Any]:
    """The row of one cell; see `rows`."""
    metrics = _optional(layout, cell, "metrics")
    final = _optional(layout, cell, "audit_pools").get("final", {})
    row = {
        "dataset": cell.dataset,
        "attack": cell.attack,
        "defense": cell.defense,
        "trial": cell.trial,
        **{name: metrics.get(name) for name in _OF_METRICS},
        "clean_pool": final.get("size"),
        "poison_in_pool": final.get("poisoned"),
        "seconds": _seconds(layout, cell),
    }
    return {name: row[name] for name in COLUMNS}


def by_drop(layout: Layout, cell: Cell) -> dict[str, Any]:
    """Accuracy of each drop and each source; empty where the test set comes from no drop."""
    metrics = _optional(layout, cell, "metrics")
    return {name: metrics[name] for name in ("per_drop", "per_source") if metrics.get(name)}


def _optional(layout: Layout, cell: Cell, name: str) -> Mapping[str, Any]:
    path = getattr(layout, name)(cell)
    return dict(store.read_json(path)) if path.exists() else {}


def _seconds(layout: Layout, cell: Cell) -> float | None:
    paths = [layout.timing(cell, stage) for stage in _STAGES]
    if not all(path.exists() for path in paths):
        return None
    return round(sum(float(store.read_json(path)["seconds"]) for path in paths), 3)


def states(layout: Layout, cells: Iterable[Cell]) -> dict[Cell, str]:
    """`done`, `missing` (no results), or what the last runs left it: `stale`, `failed`, `running`."""
    marks = read_marks(layout)
    found = {}
    for cell in cells:
        mark = cell_mark(marks, cell)
        plain = "done" if layout.metrics(cell).exists() else "missing"
        found[cell] = mark[1].state if mark else plain
    return found


def params_note(layout: Layout) -> list[str]:
    """A line where `params.yaml` was changed after the last run."""
    return [WHY_CHANGED] if params_changed(layout) else []


def render(found: Sequence[Mapping[str, Any]], states: Mapping[Cell, str] | None = None) -> str:
    """The rows as a text table; the first column can be pasted back as a CELL."""
    return text_table(*sheet(found, states), left=1)


def sheet(
    found: Sequence[Mapping[str, Any]], states: Mapping[Cell, str] | None = None
) -> tuple[list[str], list[list[str]], list[str]]:
    """Titles, rows in words, and lines that explain them; state is a column only where it matters."""
    keys = [name for name in ("acc", UNTRUSTED) if any(row[name] is not None for row in found)] or ["acc"]
    titles = ["cell", *keys, "n", "asr", "n", "asr base", "clean pool", "poison in pool", "seconds"]
    cells = [Cell(r["dataset"], r["attack"], r["defense"], r["trial"]) for r in found]
    rows = [
        [str(cell), *(percent_text(row[key]) for key in keys), *_texts(row)]
        for cell, row in zip(cells, found, strict=True)
    ]
    notes = [UNTRUSTED_NOTE] if UNTRUSTED in keys else []
    notes += [NO_BASE_NOTE] if any(r["asr"] is not None and r["asr_base"] is None for r in found) else []
    words = [(states or {}).get(cell, "done") for cell in cells]
    if any(word in OLD_FIGURES for word in words):
        titles.append("state")
        rows = [[*row, word] for row, word in zip(rows, words, strict=True)]
        notes.append(WHY_OLD)
    return titles, rows, notes


def text_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = (), *, left: int
) -> str:
    """Plain text; the first `left` columns and `state` stand left, the others right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, title in enumerate(titles):
        is_left = number < left or title == "state"
        table.add_column(title, justify="left" if is_left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    # Wide enough for every cell name: what is cut cannot be pasted back.
    width = 200 + max((sum(map(len, row)) for row in rows), default=0)
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines() if line.strip()]
    return "\n".join([*lines, *notes]) + "\n"


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [
        count_text(row["n_acc"]),
        percent_text(row["asr"]),
        count_text(row["n_asr"]),
        percent_text(row["asr_base"]),
        count_text(row["clean_pool"]),
        _poison(row),
        _ABSENT if row["seconds"] is None else f"{row['seconds']:.1f}",
    ]


def _poison(row: Mapping[str, Any]) -> str:
    bad, size = row["poison_in_pool"], row["clean_pool"]
    if bad is None:
        return _ABSENT
    return f"{bad:,} ({percent_text(bad / size)})" if size else f"{bad:,}"


def percent_text(share: float | None) -> str:
    """`12.3%`, or a dash where it is not known."""
    return _ABSENT if share is None else f"{100 * share:.1f}%"


def count_text(value: int | None) -> str:
    """`1,234`, or a dash where it is not known."""
    return _ABSENT if value is None else f"{value:,}"
