"""What a run recorded, read from the files of its cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asd.audit.record import STAGES, RunRecord, TruthMasks, join_stages, truth_masks
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.pools.history import read_history
from asd.seeds.seed_set import SeedSet, read_seed_set
from asd.shards.read import open_view
from asd.truth import read_truth
from asd.types import DataView


def run_with_truth(workspace: Workspace, cell: Cell) -> RunRecord:
    """The whole record of a finished cell.

    Raises:
        DataError: files are missing or do not fit each other.
    """
    layout = workspace.layout
    seeds = read_seed_set(layout.seed_set(cell.dataset, cell.attack, cell.trial))
    view = open_samples(layout, cell, seeds)
    record = read_record(layout, cell, view, seeds_used(workspace, cell, seeds))
    return replace(record, truth=read_masks(layout, cell, view))


def open_samples(layout: Layout, cell: Cell, seeds: SeedSet) -> DataView:
    """The training samples as the cell's defense saw them."""
    return open_view(
        layout.fetched(cell.dataset, "train"),
        overlay=layout.poisoned(cell.dataset, cell.attack, "train"),
        extra=seeds.extra,
        pixel_cache=layout.pixel_cache,
    )


def read_record(layout: Layout, cell: Cell, view: DataView, used: frozenset[str]) -> RunRecord:
    """What the stages recorded, without the truth."""
    histories = [read_history(layout.stage(cell, stage) / "history.parquet") for stage in STAGES]
    epochs, final = join_stages(histories, len(view))
    return RunRecord(
        index=view.index,
        class_names=view.class_names,
        trusted=view.trusted,
        epochs=epochs,
        final=final,
        seeds=np.array([key in used for key in view.index.keys], dtype=np.bool_),
        truth=None,
    )


def read_masks(layout: Layout, cell: Cell, view: DataView) -> TruthMasks | None:
    """What was planted; None where nothing is known."""
    return truth_masks(read_truth(layout.truth(cell.dataset, cell.attack)), view.index, trusted=view.trusted)


def seeds_used(workspace: Workspace, cell: Cell, seeds: SeedSet) -> frozenset[str]:
    """Keys that the defense was given: the first w of every class; none if it takes no seeds."""
    defense = workspace.variant("defenses", cell.defense)
    per_class = defense.module.seeds_per_class(defense.params)
    return frozenset(seeds.first(per_class)) if per_class else frozenset()
