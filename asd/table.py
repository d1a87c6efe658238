"""One row per cell: what a run came to. Reads small JSON files only; imports no torch."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asd import store
from asd.layout import Cell, Layout
from asd.metrics import WHY_UNTRUSTED
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
_OF_METRICS = ("acc", "acc_untrusted", "n_acc", "asr", "n_asr", "asr_base")
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
    return [_row(workspace.layout, cell) for cell in cells]


def _row(layout: Layout, cell: Cell) -> dict[str, Any]:
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


def _optional(layout: Layout, cell: Cell, name: str) -> Mapping[str, Any]:
    path = getattr(layout, name)(cell)
    return dict(store.read_json(path)) if path.exists() else {}


def _seconds(layout: Layout, cell: Cell) -> float | None:
    paths = [layout.timing(cell, stage) for stage in _STAGES]
    if not all(path.exists() for path in paths):
        return None
    return round(sum(float(store.read_json(path)["seconds"]) for path in paths), 3)


def render(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a text table; the first column can be pasted back as a CELL.

    A figure of labels that nobody vouches for stands in a column of its own, with a line below
    that says why.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("cell", no_wrap=True)
    accuracies = _accuracies(found)
    for title in (*accuracies, "n", "asr", "n", "asr base", "clean pool", "poison in pool", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    names = [Text(str(Cell(r["dataset"], r["attack"], r["defense"], r["trial"]))) for r in found]
    for name, row in zip(names, found, strict=True):
        table.add_row(name, *(_percent(row[title]) for title in accuracies), *_texts(row))
    # Wide enough for every cell name: what is cut cannot be pasted back.
    console = Console(
        file=io.StringIO(),
        width=200 + max((len(t.plain) for t in names), default=0),
        color_system=None,
        highlight=False,
    )
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines() if line.strip()]
    if "acc_untrusted" in accuracies:
        lines.append(f"acc_untrusted: {WHY_UNTRUSTED}")
    return "\n".join(lines) + "\n"


def _accuracies(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of accuracy that have a figure; `acc` if none has."""
    return [name for name in ("acc", "acc_untrusted") if any(r[name] is not None for r in found)] or ["acc"]


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [
        _count(row["n_acc"]),
        _percent(row["asr"]),
        _count(row["n_asr"]),
        _percent(row["asr_base"]),
        _count(row["clean_pool"]),
        _poison(row),
        _ABSENT if row["seconds"] is None else f"{row['seconds']:.1f}",
    ]


def _poison(row: Mapping[str, Any]) -> str:
    bad, size = row["poison_in_pool"], row["clean_pool"]
    if bad is None:
        return _ABSENT
    return f"{bad:,} ({_percent(bad / size)})" if size else f"{bad:,}"


def _percent(share: float | None) -> str:
    return _ABSENT if share is None else f"{100 * share:.1f}%"


def _count(value: int | None) -> str:
    return _ABSENT if value is None else f"{value:,}"
