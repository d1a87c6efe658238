"""Which files make a run of a cell that can be asked about: as they are now, or at an earlier revision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asd.audit.record import STAGES
from asd.layout import Cell, Layout

CURRENT = "current"

_AUDITED = "*/*/*/*/audit/samples.parquet"
_TRIAL = re.compile(r"\d+")


@dataclass(frozen=True)
class Run:
    """The files of one cell at one revision; each may be missing but `samples`.

    Attributes:
        cell: the cell.
        revision: `current`, or the name by which an earlier one was asked for.
        samples: `samples.parquet`, one row a sample.
        neighbours: `neighbours.parquet`, the same rows.
        pools: `pools.json`.
        report: `report.html`; `report_facts` the same facts, `report.json`.
        metrics: `metrics.json`.
        histories: `history.parquet` of stages 1 to 3.
    """

    cell: Cell
    revision: str
    samples: Path
    neighbours: Path
    pools: Path
    report: Path
    report_facts: Path
    metrics: Path
    histories: tuple[Path, ...]

    @property
    def name(self) -> str:
        """`CELL`, or `CELL@REVISION` for an earlier one."""
        return str(self.cell) if self.revision == CURRENT else f"{self.cell}@{self.revision}"

    def identity(self) -> tuple[int, int, int]:
        """Changes when the table of samples is replaced: inode, size, time of change (ns)."""
        found = self.samples.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns


def current_run(layout: Layout, cell: Cell) -> Run:
    """The files of a cell as they lie in the workspace; whether they are there is not looked at."""
    return Run(
        cell=cell,
        revision=CURRENT,
        samples=layout.audit_samples(cell),
        neighbours=layout.audit_neighbours(cell),
        pools=layout.audit_pools(cell),
        report=layout.audit_report(cell),
        report_facts=layout.audit_report_facts(cell),
        metrics=layout.metrics(cell),
        histories=tuple(layout.stage(cell, stage) / "history.parquet" for stage in STAGES),
    )


def audited_runs(layout: Layout) -> list[Run]:
    """Every cell of the workspace that has a table of samples, by name; also cells no longer in params."""
    cells = []
    for file in (layout.data / "runs").glob(_AUDITED):
        dataset, attack, defense, trial = file.parts[-6:-2]
        if _TRIAL.fullmatch(trial):
            cells.append(Cell(dataset, attack, defense, int(trial)))
    return [
        current_run(layout, cell)
        for cell in sorted(cells, key=lambda c: (str(c.dataset), c.attack, c.defense, c.trial))
    ]
