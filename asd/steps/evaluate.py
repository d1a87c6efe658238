"""evaluate: accuracy and attack success of stage 3's classifier, and both per epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from asd import evaluation, store
from asd.layout import Cell
from asd.params import Workspace
from asd.progress import Reporter
from asd.seeds.seed_set import read_seed_set
from asd.shards.manifest import read_index, read_manifest
from asd.shards.read import open_view
from asd.shards.verify import unchanged
from asd.steps import StepItem
from asd.training.resume import drop_finished
from asd.truth import read_probe_truth

_OF_FIRST = ("acc", "acc_interval", "n_acc", "acc_untrusted", "asr", "asr_interval", "n_asr", "asr_base")
"""Figures of the first model that `metrics.json` keeps."""


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Write `metrics.json` and `curves.parquet` of one cell."""
    layout, cell = workspace.layout, item.cell
    stages = [layout.stage(cell, stage) for stage in (1, 2, 3)]
    test = layout.fetched(cell.dataset, "test")
    triggered = layout.poisoned(cell.dataset, cell.attack, "test")
    probe = layout.probe_truth(cell.dataset, cell.attack)
    seeds = layout.seed_set(cell.dataset, cell.attack, cell.trial)
    drop_finished(layout.scratch, str(cell))
    with unchanged(test, triggered, probe, seeds, *stages):
        metrics = _metrics(workspace, cell, test, triggered)
        curves = _curves(stages, probe, triggered, trusted=metrics["trusted"])
    store.write_json(layout.metrics(cell), metrics)
    store.write_parquet(layout.curves(cell), curves)
    asr = "" if metrics["asr"] is None else f", attack success {metrics['asr']:.1%} of {metrics['n_asr']}"
    if metrics["trusted"]:
        reporter.say(f"accuracy {metrics['acc']:.1%} of {metrics['n_acc']}{asr}")
    else:
        reporter.say(f"acc_untrusted {metrics['acc_untrusted']:.1%} of {metrics['n_acc']}{asr}")
        reporter.say(f"acc_untrusted: {metrics['why_untrusted']}")


def _metrics(workspace: Workspace, cell: Cell, test: Path, triggered: Path) -> dict[str, Any]:
    """Figures of the final model and, where seeds were transferred, of the first one (Table 6)."""
    from asd.training.classifier import load_classifier

    layout, cache = workspace.layout, workspace.layout.pixel_cache
    has_attack = read_manifest(triggered).count > 0
    test_view = open_view(test, pixel_cache=cache)
    triggered_view = open_view(triggered, pixel_cache=cache) if has_attack else None

    def figures(place: Path) -> dict[str, Any]:
        return evaluation.evaluate(cell, load_classifier(place, layout.plugins), test_view, triggered_view)

    init = read_seed_set(layout.seed_set(cell.dataset, cell.attack, cell.trial)).init
    first = figures(init) if init is not None else None
    of_first = None if first is None else {name: first[name] for name in _OF_FIRST}
    return {**figures(layout.stage(cell, 3)), "init": of_first}


def _curves(stages: list[Path], probe: Path, triggered: Path, *, trusted: bool) -> pa.Table:
    truth = read_probe_truth(probe)
    epochs = [
        epoch
        for stage in stages
        for epoch in evaluation.read_predictions(stage / "predictions.parquet", len(truth.keys))
    ]
    index = read_index(triggered)
    wanted = dict(zip(index.keys, index.labels.tolist(), strict=True))
    return evaluation.curves(epochs, truth, wanted, trusted=trusted)
