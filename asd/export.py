"""`asd export`: the training data as a folder of its own, all of it or what a run trusts.

The attack's layer is merged in. Which samples were planted is not said unless it is asked for;
then the test split and the triggered test set come too, and `asd` can read it all as an
`imported` set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asd import store
from asd.audit.exporting import write_csv
from asd.audit.record import truth_masks
from asd.audit.samples import roles_and_labels
from asd.audit.verdict import VERDICTS
from asd.cells import select_cells
from asd.errors import DataError, ParamsError, nearest
from asd.export_formats import CLEAN, LABEL_BEFORE, ROLE, WRITERS, Split, write_parquet
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.shards.read import open_view
from asd.shards.write import check_space
from asd.truth import read_truth
from asd.types import DataView, Sample

INDEX = "index.csv"
COLUMNS = ("key", "label", "class_name", "verdict", "source")
TRUTH_COLUMNS = ("truth_role", "truth_label_before")
_LINES_AT_ONCE = 100_000


@dataclass(frozen=True)
class Wanted:
    """What to export.

    Attributes:
        dataset: a data set of the workspace.
        attack: the attack whose layer lies over it; None for the data as published.
        cell: the cell whose verdicts are written, and chosen from.
        only: verdicts to keep; empty for all samples.
        with_truth: write what was planted: roles and labels before, the test and the triggered set.
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
    if with_truth and chosen is None:
        raise ParamsError("--with-truth needs an attack that was planted: give --attack A or --cell D/A/F/T")
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
    truth = _truth(workspace.layout, wanted, view) if wanted.with_truth else None
    channels, height, width = view.images.shape[1:]
    check_space(folder, len(rows), (channels, height, width))
    split = Split("train", wanted.dataset, view.class_names, (channels, height, width), view.trusted)
    with store.atomic_directory(folder.resolve()) as temporary:
        write = WRITERS[form]
        write(temporary, split if truth is None else truth.of(split, rows), _samples(view, rows))
        if truth is not None:
            test = replace(split, name="test", trusted=truth.test.trusted)
            write(temporary, test, _samples(truth.test, np.arange(len(truth.test))))
            if len(truth.triggered):
                triggered = np.arange(len(truth.triggered))
                apart = write_parquet if form == "webdataset" else write  # a list names no member of a tar
                apart(temporary, truth.of_triggered(test), _samples(truth.triggered, triggered))
        _write_index(temporary / INDEX, view, rows, audited, truth)
    counts = _counts(view, rows, audited)
    return counts if truth is None else {**counts, "test": len(truth.test), "triggered": len(truth.triggered)}


def _view(layout: Layout, wanted: Wanted) -> DataView:
    base = layout.fetched(wanted.dataset, "train")
    overlay = layout.poisoned(wanted.dataset, wanted.attack, "train") if wanted.attack else None
    for needed in (base, overlay):
        if needed is not None:
            _needed(layout, needed)
    return open_view(base, overlay=overlay, pixel_cache=layout.pixel_cache)


def _needed(layout: Layout, path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path.relative_to(layout.root)} is not there yet; `asd run` makes it")
    return path


@dataclass(frozen=True)
class _Audited:
    """The verdict of a cell on each sample of the view."""

    verdicts: NDArray[np.str_]


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
    return _Audited(np.array(table["verdict"].to_pylist()))


@dataclass(frozen=True)
class _Truth:
    """What was planted.

    Attributes:
        roles: of each sample of the training set: poisoned, decoy, clean, or unknown.
        before: label before, None where it is not known.
        test: the clean test set.
        triggered: the triggered test set.
    """

    roles: tuple[str, ...]
    before: tuple[int | None, ...]
    test: DataView
    triggered: DataView

    def of(self, split: Split, rows: NDArray[np.int64]) -> Split:
        """The training split with what is said of these rows."""
        said = {LABEL_BEFORE: [self.before[row] for row in rows], ROLE: [self.roles[row] for row in rows]}
        return replace(split, said=said)

    def of_triggered(self, test: Split) -> Split:
        """The triggered split; a picture and its clean one have the same key."""
        place = {key: row for row, key in enumerate(self.test.index.keys)}
        rows = [place.get(key) for key in self.triggered.index.keys]
        before = [None if row is None else int(self.test.labels[row]) for row in rows]
        clean = [None if row is None else self.test.index.content[row] for row in rows]
        return replace(test, name="triggered", said={LABEL_BEFORE: before, CLEAN: clean})


def _truth(layout: Layout, wanted: Wanted, view: DataView) -> _Truth:
    assert wanted.attack is not None  # noqa: S101 - choose() has seen to it
    planted = read_truth(_needed(layout, layout.truth(wanted.dataset, wanted.attack)))
    if not planted.keys and not view.trusted:
        raise DataError(
            f"{wanted.dataset}/{wanted.attack}: nothing was planted and nobody vouches for the data: no "
            "truth to write"
        )
    masks = truth_masks(planted, view.index, trusted=view.trusted)
    assert masks is not None  # noqa: S101
    roles, before = roles_and_labels(masks)
    test, triggered = (
        open_view(_needed(layout, folder), pixel_cache=layout.pixel_cache)
        for folder in (
            layout.fetched(wanted.dataset, "test"),
            layout.poisoned(wanted.dataset, wanted.attack, "test"),
        )
    )
    return _Truth(tuple(roles), tuple(before), test, triggered)


def _samples(view: DataView, rows: NDArray[np.int64]) -> Iterator[Sample]:
    index = view.index
    for row in rows.tolist():
        image = np.asarray(view.images[row])
        yield Sample(index.keys[row], image, int(index.labels[row]), index.sources[row])


def _write_index(
    path: Path, view: DataView, rows: NDArray[np.int64], audited: _Audited | None, truth: _Truth | None
) -> None:
    """`index.csv`; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    index = view.index

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(rows), _LINES_AT_ONCE):
            some = rows[start : start + _LINES_AT_ONCE].tolist()
            columns = [
                pa.array([index.keys[row] for row in some]),
                pa.array(index.labels[some]),
                pa.array([view.class_names[label] for label in index.labels[some]]),
                pa.array([str(audited.verdicts[row]) if audited else "" for row in some]),
                pa.array([index.sources[row] for row in some]),
            ]
            names = list(COLUMNS)
            if truth is not None:
                columns.append(pa.array([truth.roles[row] for row in some]))
                columns.append(pa.array([truth.before[row] for row in some], pa.int64()))
                names += TRUTH_COLUMNS
            yield pa.RecordBatch.from_arrays(columns, names=names)

    write_csv(path, batches())


def _counts(view: DataView, rows: NDArray[np.int64], audited: _Audited | None) -> dict[str, Any]:
    sizes = np.bincount(view.labels[rows], minlength=view.class_count).tolist()
    verdicts = audited.verdicts[rows] if audited else None
    return {
        "samples": len(rows),
        "of": len(view),
        "verdicts": None if verdicts is None else {v: int((verdicts == v).sum()) for v in VERDICTS},
        "classes": dict(zip(view.class_names, sizes, strict=True)),
    }
