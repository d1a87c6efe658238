"""What is measured of a cell, read from the files of evaluate and audit. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asd import store
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.rehearsals import Rehearsal, changes, latest, read_rehearsals, share
from asd.source_groups import source_group

SUSPECT = "suspect"


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        name: such as `acc`, or `acc_untrusted` on labels that nobody vouches for.
        value: None where it was not measured.
        n: samples behind it, where it is a share of samples.
        interval: 95%, where there is one.
        of: what it is the figure of: a cell, a class, a source.
        missing: why there is no value.
        at: when it was measured (UTC, ISO), where that was not in a run of this workspace.
    """

    name: str
    value: float | None
    n: int | None = None
    interval: tuple[float, float] | None = None
    of: str = ""
    missing: str = ""
    at: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}{_of(self.of)}: not measured ({self.missing})"
        count = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.4f}"
        n = "" if self.n is None else f", n {self.n:,}"
        within = "" if self.interval is None else f", 95% {self.interval[0]:.4f} to {self.interval[1]:.4f}"
        return f"{self.name}{_of(self.of)} {count}{n}{within}"


def _of(name: str) -> str:
    return f" of {name}" if name else ""


def is_planted(workspace: Workspace, cell: Cell) -> bool:
    """Whether we plant an attack in the cell's data."""
    return workspace.plugin_name("attacks", cell.attack) != "none"


def is_defended(workspace: Workspace, cell: Cell) -> bool:
    """Whether the cell has a defense; `none` is the undefended twin."""
    return workspace.plugin_name("defenses", cell.defense) != "none"


def planted_twins(workspace: Workspace, cell: Cell) -> list[Cell]:
    """Listed cells with an attack, and the data set, defense and trial of `cell` (itself included)."""
    return [
        other
        for other in workspace.cells()
        if (other.dataset, other.defense, other.trial) == (cell.dataset, cell.defense, cell.trial)
        and is_planted(workspace, other)
    ]


def read_metrics(layout: Layout, cell: Cell) -> dict[str, Any]:
    """`metrics.json` of a cell; empty where it was not evaluated."""
    path = layout.metrics(cell)
    return dict(store.read_json(path)) if path.is_file() else {}


def accuracy(layout: Layout, cell: Cell) -> Figure:
    """`acc`, or `acc_untrusted` where nobody vouches for the labels of the test set."""
    metrics = read_metrics(layout, cell)
    name = "acc" if metrics.get("trusted", True) else "acc_untrusted"
    if metrics.get(name) is not None:
        return _share(metrics, name, str(cell))
    return Figure(name, None, of=str(cell), missing="the cell has no metrics; `asd run` it")


def attack_success(layout: Layout, cell: Cell) -> Figure:
    """`asr` of a cell whose attack is planted."""
    metrics = read_metrics(layout, cell)
    if metrics.get("asr") is None:
        why = "no triggered test image counts" if metrics else "the cell has no metrics; `asd run` it"
        return Figure("asr", None, of=str(cell), missing=why)
    return _share(metrics, "asr", str(cell))


def rehearsed_success(workspace: Workspace, cell: Cell) -> dict[str, Figure]:
    """`asr` of a cell on unplanted data by attack, each of its last rehearsal; empty without one.

    None was measured where the trigger hardly worked without a defense either.

    Raises:
        DataError: the file of rehearsals is damaged.
    """
    found = latest(read_rehearsals(workspace.layout), cell)
    return {one.attack: _rehearsed(workspace, cell, one) for one in found}


def _rehearsed(workspace: Workspace, cell: Cell, one: Rehearsal) -> Figure:
    of = f"{cell} (rehearsed with {one.attack} on {one.day}; {changes(workspace, one)})"
    if not one.worked:
        missing = f"the trigger hardly worked without a defense either ({share(one.asr_none)})"
        return Figure("asr", None, of=of, missing=missing, at=one.at)
    return Figure("asr", one.asr_defense, one.n, one.asr_interval, of, at=one.at)


def _share(metrics: Mapping[str, Any], name: str, of: str) -> Figure:
    interval = metrics.get(f"{name}_interval")
    n = metrics.get(f"n_{name}")
    within = None if interval is None else (float(interval[0]), float(interval[1]))
    return Figure(name, float(metrics[name]), n, within, of)


def read_pools(layout: Layout, cell: Cell) -> dict[str, Any]:
    """`pools.json` of a cell; empty where it was not audited."""
    path = layout.audit_pools(cell)
    return dict(store.read_json(path)) if path.is_file() else {}


def poisoned_share(layout: Layout, cell: Cell) -> Figure:
    """The audit's estimate of the share of poisoned training samples."""
    name = "estimated_poisoned_share"
    found = read_pools(layout, cell).get(name)
    if not isinstance(found, Mapping) or found.get("value") is None:
        return Figure(name, None, of=str(cell), missing="the audit gives no estimate")
    interval = found.get("interval")
    within = None if interval is None else (float(interval[0]), float(interval[1]))
    return Figure(name, float(found["value"]), None, within, str(cell))


@dataclass(frozen=True)
class SuspectCounts:
    """Samples with verdict suspect, by class and by source, largest first; equal ones by name."""

    by_class: tuple[tuple[str, int], ...]
    by_source: tuple[tuple[str, int], ...]


def suspects(layout: Layout, cell: Cell) -> SuspectCounts | None:
    """Count the suspects of a cell; None where the audit gives no verdicts."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = layout.audit_samples(cell)
    if not path.is_file() or "verdict" not in pq.read_schema(path).names:
        return None
    table = store.read_parquet(path, ["verdict", "class_name", "source"])
    chosen = table.filter(pc.equal(table["verdict"], SUSPECT))
    classes, sources = chosen["class_name"].to_pylist(), chosen["source"].to_pylist()
    return SuspectCounts(
        _counts(classes),
        _counts([source_group(source, name) for source, name in zip(sources, classes, strict=True)]),
    )


def _counts(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def most_suspects(layout: Layout, cell: Cell, per: str) -> Figure:
    """The largest number of suspects in one `class` or from one `source`."""
    name = f"suspects_per_{per}"
    found = suspects(layout, cell)
    if found is None:
        return Figure(name, None, of=str(cell), missing="the audit gives no verdicts")
    counts = found.by_class if per == "class" else found.by_source
    largest, count = counts[0] if counts else ("", 0)
    return Figure(name, count, of=f"{cell}" + (f", {per} {largest}" if largest else ""))
