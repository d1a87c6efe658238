"""audit: who was in the clean pool, when and why, as a table, figures and a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd import store
from asd.audit.opinions import all_opinions
from asd.audit.planted import planted_pictures
from asd.audit.purity import pool_figures
from asd.audit.reading import open_samples, read_masks, read_record, seeds_used
from asd.audit.record import STAGES, RunRecord
from asd.audit.report import ReportInput, SeedNote, render_report, report_facts
from asd.audit.samples import neighbour_table, sample_table
from asd.audit.verdict import judge
from asd.exclusions import excluded
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.progress import Reporter
from asd.seeds.seed_set import read_seed_set
from asd.shards.verify import unchanged
from asd.steps import StepItem
from asd.types import DataView

if TYPE_CHECKING:
    from asd.audit.features import Neighbours
    from asd.training.model_view import ModelView

_RANDOM_SEED = 0  # of the second opinions; they are about one model, so no trial needs another

ROWS = 65_536
"""Samples in a row group of `samples.parquet`: few enough that a page of them is read at once."""

_KINDS = ("dataset", "attack", "defense")


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Write `samples.parquet`, `pools.json` and `report.html` of one cell."""
    layout, cell = workspace.layout, item.cell
    with unchanged(*_inputs(layout, cell)):
        seeds = read_seed_set(layout.seed_set(cell.dataset, cell.attack, cell.trial))
        view = open_samples(layout, cell, seeds)
        used = seeds_used(workspace, cell, seeds)
        record = read_record(layout, cell, view, used)
        judged = judge(record)  # before the truth is read
        model, by_features, in_pool = _look(workspace, cell, view, record, reporter)
        opinions = all_opinions(
            model.features, model.probabilities, by_features.rows, view.index.labels, _RANDOM_SEED
        )
        record = replace(record, truth=read_masks(layout, cell, view))
        note = SeedNote(seeds.origin, seeds.note, len(used)) if used else None
        pools = pool_figures(record, judged, opinions)
        given = _report_input(workspace, cell, record, view, pools, note)
        page, facts = render_report(given), report_facts(given)
    table = sample_table(record, judged, model.probabilities, opinions)
    store.write_parquet(layout.audit_samples(cell), table, row_group_size=ROWS)
    store.write_parquet(layout.audit_neighbours(cell), neighbour_table(by_features, in_pool))
    store.write_json(layout.audit_pools(cell), pools)
    store.write_json(layout.audit_report_facts(cell), facts)
    with store.atomic_file(layout.audit_report(cell)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    final = pools["final"]
    poisoned = "" if final["poisoned"] is None else f", {final['poisoned']} of them poisoned"
    reporter.say(f"{final['size']} of {len(record)} samples in the final clean pool{poisoned}")
    if judged.share is not None:
        low, high = judged.share.interval
        share = f"{judged.share.value:.1%} ({low:.1%} to {high:.1%})"
        reporter.say(f"estimated poisoned share {share}; a sign, no proof: hard classes raise it")
    reporter.say(f"report: {layout.audit_report(cell)}")


def _look(
    workspace: Workspace, cell: Cell, view: DataView, record: RunRecord, reporter: Reporter
) -> tuple[ModelView, Neighbours, Neighbours]:
    """What the final model makes of the samples, and the nearest samples of each."""
    from asd.audit import features
    from asd.training import model_view
    from asd.training.classifier import load_classifier

    reporter.say(f"second opinions: features of {len(view)} samples and their neighbours")
    classifier = load_classifier(workspace.layout.stage(cell, STAGES[-1]), workspace.layout.plugins)
    model = model_view.look(classifier, view.images)
    by_features = features.nearest_by_features(model.features, _RANDOM_SEED)
    return model, by_features, features.nearest_in_pool(view.images, record.final.in_clean, _RANDOM_SEED)


def _inputs(layout: Layout, cell: Cell) -> list[Path]:
    return [
        layout.fetched(cell.dataset, "train"),
        layout.poisoned(cell.dataset, cell.attack, "train"),
        layout.truth(cell.dataset, cell.attack),
        layout.seed_set(cell.dataset, cell.attack, cell.trial),
        *(layout.stage(cell, stage) for stage in STAGES),
        layout.metrics(cell),
        layout.curves(cell),
    ]


def _report_input(
    workspace: Workspace,
    cell: Cell,
    record: RunRecord,
    view: DataView,
    pools: dict[str, Any],
    seeds: SeedNote | None,
) -> ReportInput:
    layout = workspace.layout
    return ReportInput(
        cell=cell,
        plugins={kind: workspace.plugin_name(f"{kind}s", getattr(cell, kind)) for kind in _KINDS},
        record=record,
        images=view.images,
        metrics=store.read_json(layout.metrics(cell)),
        pools=pools,
        curves=store.read_parquet(layout.curves(cell)),
        timings=[_timing(layout, cell, stage) for stage in STAGES],
        seeds=seeds,
        excluded=excluded(layout, cell.dataset),
        examples=planted_pictures(layout.fetched(cell.dataset, "train"), view, record.truth),
    )


def _timing(layout: Layout, cell: Cell, stage: int) -> dict[str, Any] | None:
    path = layout.timing(cell, stage)
    return dict(store.read_json(path)) if path.exists() else None
