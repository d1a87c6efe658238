"""`asd export`: the training data as a folder of its own, all of it or what a run trusts.

The attack's layer is merged in. Which samples were planted is not said unless it is asked for.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asd import store
from asd.audit.verdict import VERDICTS
from asd.cells import select_cells
from asd.errors import DataError, ParamsError, nearest
from asd.export_formats import WRITERS
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.shards.read import open_view
from asd.shards.write import check_space
from asd.types import DataView, Sample

INDEX = "index.csv"
COLUMNS = ("key", "label", "class_name", "verdict", "source")
TRUTH_COLUMNS = ("truth_role", "truth_label_before")


@dataclass(frozen=True)
class Wanted:
    """What to export.

    Attributes:
        dataset: a data set of the workspace.
        attack: the attack whose layer lies over it; None for the data as published.
        cell: the cell whose verdicts are written, and chosen from.
        only: verdicts to keep; empty for all samples.
        with_truth: write what we planted into the index.
    """

    dataset: str
    attack: str | None
    cell: Cell | None
    only: tuple[str, ...]
    with_truth: bool


def choose(
    workspace: Workspace,
    dataset: str,
    *,
    cell: str | None,
    attack: str | None,
    only: Sequence[str],
    with_truth: bool,
) -> Wanted:
    """Check what a user asked for; a cell brings its attack with it, and may be left out if one can judge.

    Raises:
        ParamsError: unknown names, a cell that is not one, or options that contradict each other.
    """
    workspace.variant("datasets", dataset)
    unknown = [verdict for verdict in only if verdict not in VERDICTS]
    if unknown:
        raise ParamsError(
            f"no verdict is called {unknown[0]!r}{nearest(unknown[0], VERDICTS)} "
            f"(there are: {', '.join(VERDICTS)})"
        )
    found = None if cell is None else _one_cell(workspace, cell)
    if found is None and only:
        found = _judging_cell(workspace, dataset, attack)
    if found is not None and found.dataset != dataset:
        raise ParamsError(f"cell {found} is not of data set {dataset}")
    if found is not None and attack not in (None, found.attack):
        raise ParamsError(f"cell {found} saw attack {found.attack}, not {attack}; leave out --attack")
    chosen = found.attack if found else attack
    if chosen is not None:
        workspace.plugin_name("attacks", chosen)
    if with_truth and found is None:
        raise ParamsError("--with-truth needs the audit of a run: give --cell dataset/attack/defense/trial")
    return Wanted(dataset, chosen, found, tuple(only), with_truth)


def _judging_cell(workspace: Workspace, dataset: str, attack: str | None) -> Cell:
    """The only cell of the data set that judges samples: its defense is not `none`."""
    found = [
        cell
        for cell in workspace.cells()
        if cell.dataset == dataset
        and attack in (None, cell.attack)
        and workspace.plugin_name("defenses", cell.defense) != "none"
    ]
    if len(found) != 1:
        which = f"{len(found)} cells could ({', '.join(map(str, found))})" if found else "no cell can"
        raise ParamsError(f"--only needs the run that judges, and {which}: give --cell D/A/F/T")
    return found[0]


def _one_cell(workspace: Workspace, pattern: str) -> Cell:
    found = select_cells(workspace.cells(), [pattern])
    if len(found) > 1:
        raise ParamsError(f"{pattern} is {len(found)} cells; name one ({', '.join(map(str, found))})")
    return found[0]


def export(workspace: Workspace, wanted: Wanted, folder: Path, form: str) -> dict[str, Any]:
    """Write the samples and `index.csv` into `folder`, whole or not at all; gives the counts.

    Raises:
        ParamsError: unknown format, or `folder` holds something.
        DataError: data or audit are missing, do not belong together, or nothing is left.
    """
    if form not in WRITERS:
        raise ParamsError(f"no format {form!r}{nearest(form, WRITERS)} (there are: {', '.join(WRITERS)})")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParamsError(f"{folder} is there and not empty; give a new folder")
    view = _view(workspace.layout, wanted)
    audited = _audited(workspace.layout, wanted, wanted.cell, view) if wanted.cell else None
    rows = np.arange(len(view))
    if wanted.only and audited:
        rows = np.flatnonzero(np.isin(audited.verdicts, wanted.only))
    if not len(rows):
        raise DataError(f"no sample of {wanted.dataset} is {' or '.join(wanted.only)}; nothing to export")
    channels, height, width = view.images.shape[1:]
    check_space(folder, len(rows), (channels, height, width))
    with store.atomic_directory(folder.resolve()) as temporary:
        WRITERS[form](temporary, wanted.dataset, view, _samples(view, rows))
        _write_index(temporary / INDEX, view, rows, audited)
    return _counts(view, rows, audited)


def _view(layout: Layout, wanted: Wanted) -> DataView:
    base = layout.fetched(wanted.dataset, "train")
    overlay = layout.poisoned(wanted.dataset, wanted.attack, "train") if wanted.attack else None
    for needed in (base, overlay):
        if needed is not None and not needed.is_dir():
            raise DataError(f"{needed.relative_to(layout.root)} is not there yet; `asd run` makes it")
    return open_view(base, overlay=overlay, pixel_cache=layout.pixel_cache)


@dataclass(frozen=True)
class _Audited:
    """Columns of a cell's samples.parquet for the samples of the view, as texts."""

    verdicts: NDArray[np.str_]
    truth: NDArray[np.object_] | None


def _audited(layout: Layout, wanted: Wanted, cell: Cell, view: DataView) -> _Audited:
    path = layout.audit_samples(cell)
    if not path.is_file():
        raise DataError(f"{cell} has no audit yet; run `asd run {cell}`")
    table = store.read_parquet(path).slice(0, len(view))  # seeds from elsewhere come after
    if "verdict" not in table.column_names or table["verdict"].null_count:
        raise DataError(f"{cell} gave no verdicts: its defense keeps no pools, or the audit is an old one")
    got = [table[name].to_pylist() for name in ("key", "content_sha256", "label")]
    index = view.index
    if got != [list(index.keys), list(index.content), index.labels.tolist()]:
        raise DataError(f"the audit of {cell} is of other data than is there now; run `asd run {cell}`")
    truth = _truth(table, cell) if wanted.with_truth else None
    return _Audited(np.array(table["verdict"].to_pylist()), truth)


def _truth(table: pa.Table, cell: Cell) -> NDArray[np.object_]:
    """Role and label before of every sample, shape (N, 2)."""
    if TRUTH_COLUMNS[0] not in table.column_names:
        raise DataError(f"{cell}: nothing was planted and nobody vouches for the data: no truth to write")
    columns = [table[name].to_pylist() for name in TRUTH_COLUMNS]
    return np.array([["" if value is None else value for value in column] for column in columns], object).T


def _samples(view: DataView, rows: NDArray[np.int64]) -> Iterator[Sample]:
    index = view.index
    for row in rows.tolist():
        image = np.asarray(view.images[row])
        yield Sample(index.keys[row], image, int(index.labels[row]), index.sources[row])


def _write_index(path: Path, view: DataView, rows: NDArray[np.int64], audited: _Audited | None) -> None:
    index, truth = view.index, audited.truth if audited else None
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS if truth is None else COLUMNS + TRUTH_COLUMNS)
        for row in rows.tolist():
            label = int(index.labels[row])
            verdict = audited.verdicts[row] if audited else ""
            line = [index.keys[row], label, view.class_names[label], verdict, index.sources[row]]
            writer.writerow(line if truth is None else [*line, *truth[row]])


def _counts(view: DataView, rows: NDArray[np.int64], audited: _Audited | None) -> dict[str, Any]:
    sizes = np.bincount(view.labels[rows], minlength=view.class_count).tolist()
    verdicts = audited.verdicts[rows] if audited else None
    return {
        "samples": len(rows),
        "of": len(view),
        "verdicts": None if verdicts is None else {v: int((verdicts == v).sum()) for v in VERDICTS},
        "classes": dict(zip(view.class_names, sizes, strict=True)),
    }
