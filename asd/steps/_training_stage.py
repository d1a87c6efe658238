"""What steps stage1, stage2 and stage3 share: read inputs, let the defense train, write the stage."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asd import code_lock, store
from asd.layout import Cell
from asd.params import Variant, Workspace
from asd.pools.history import write_history, write_predictions
from asd.progress import Reporter
from asd.rng import derive_seed
from asd.seeds.seed_set import SeedSet, read_seed_set
from asd.shards.read import open_view
from asd.shards.verify import unchanged
from asd.steps import StepItem
from asd.training.resume import drop_finished
from asd.types import DataView

if TYPE_CHECKING:
    from asd.training.weights import StartingWeights


@dataclass(frozen=True)
class StageInputs:
    """What a stage reads, and where it goes on from."""

    view: DataView
    probe: DataView
    seeds: SeedSet
    previous: Path | None


def run_stage(workspace: Workspace, item: StepItem, reporter: Reporter, stage: int) -> None:
    """Train one stage of one cell, or hand it on where it has no epochs."""
    layout, cell = workspace.layout, item.cell
    defense = workspace.variant("defenses", cell.defense)
    folder, timing = layout.stage(cell, stage), layout.timing(cell, stage)
    previous = layout.stage(cell, stage - 1) if stage > 1 else None
    ends = [defense.module.stage_end(defense.params, n) for n in (1, 2, 3)]
    if previous is not None and ends[stage - 1] == ends[stage - 2]:
        with unchanged(previous):
            _hand_on(previous, folder, timing)
        drop_finished(layout.scratch, str(cell))
        reporter.say(f"no epochs in stage {stage}: handed on")
        return
    train, overlay = (
        layout.fetched(cell.dataset, "train"),
        layout.poisoned(cell.dataset, cell.attack, "train"),
    )
    probe, seed_folder = layout.poisoned(cell.dataset, cell.attack, "probe"), _seed_folder(workspace, cell)
    with unchanged(*(p for p in (train, overlay, probe, seed_folder, previous) if p is not None)):
        inputs = _read(workspace, cell, previous)
        _train(workspace, item, defense, inputs, reporter, stage, is_last=ends[stage - 1] == ends[2])


def _seed_folder(workspace: Workspace, cell: Cell) -> Path:
    return workspace.layout.seed_set(cell.dataset, cell.attack, cell.trial)


def _read(workspace: Workspace, cell: Cell, previous: Path | None) -> StageInputs:
    layout = workspace.layout
    seeds = read_seed_set(_seed_folder(workspace, cell))
    view = open_view(
        layout.fetched(cell.dataset, "train"),
        overlay=layout.poisoned(cell.dataset, cell.attack, "train"),
        extra=seeds.extra,
        pixel_cache=layout.pixel_cache,
    )
    probe = open_view(layout.poisoned(cell.dataset, cell.attack, "probe"), pixel_cache=layout.pixel_cache)
    return StageInputs(view, probe, seeds, previous)


def _train(
    workspace: Workspace,
    item: StepItem,
    defense: Variant,
    inputs: StageInputs,
    reporter: Reporter,
    stage: int,
    *,
    is_last: bool,
) -> None:
    from asd.training.context import StageContext
    from asd.training.resume import Checkpoints
    from asd.training.stage_run import StageRun
    from asd.training.state import NOTHING

    layout, cell = workspace.layout, item.cell
    per_class = defense.module.seeds_per_class(defense.params)
    chosen = set(inputs.seeds.first(per_class) if per_class else ())
    context = StageContext(
        view=inputs.view,
        seeds=np.array([key in chosen for key in inputs.view.index.keys], dtype=np.bool_),
        probe=inputs.probe.images,
        model=workspace.model_variant(),
        training=workspace.params.training,
        random_seed=derive_seed(workspace.params.random_seed, "trial", cell.trial),
        stage=stage,
        fingerprint=fingerprint(workspace, item, defense, inputs, stage),
        reporter=reporter,
        numeric=store.read_json(inputs.previous / "state.json")["numeric"] if inputs.previous else None,
        plugins=layout.plugins,
        weights=_weights(workspace, inputs.seeds, per_class) if inputs.previous is None else None,
    )
    drop_finished(layout.scratch, str(cell), keep=context.fingerprint)
    if stage == 1:
        drop_finished(layout.scratch, f"{cell.dataset}/{cell.attack}/{cell.trial}")  # of transferred seeds
    checkpoints = Checkpoints(layout.scratch, context.fingerprint)
    run = StageRun(
        context,
        checkpoints,
        inputs.previous,
        lambda model: defense.module.make_optimizer(model, defense.params),
        defense.module.extras(defense.params, layout.plugins)
        if hasattr(defense.module, "extras")
        else NOTHING,
    )
    defense.module.run_stage(run, defense.params, stage)
    final_row = run.final_scoring() if is_last else None
    run.write(layout.stage(cell, stage), layout.timing(cell, stage), final_row)
    checkpoints.finish(str(cell))


def _weights(workspace: Workspace, seeds: SeedSet, per_class: int) -> StartingWeights | None:
    """The first model of transferred seeds, for a defense that takes seeds; else what params name."""
    from asd.training.weights import StartingWeights, configured_weights

    if seeds.init is not None and per_class:
        return StartingWeights(seeds.init, store.file_sha256(seeds.init))
    return configured_weights(workspace)


def fingerprint(
    workspace: Workspace, item: StepItem, defense: Variant, inputs: StageInputs, stage: int
) -> str:
    """SHA-256 (hex) over every input, param and code hash that a stage's result depends on."""
    params = workspace.params
    parts: dict[str, Any] = {
        "cell": str(item.cell),
        "stage": stage,
        "data": inputs.view.index.fingerprint(),
        "probe": inputs.probe.index.fingerprint(),
        "seeds": list(inputs.seeds.keys),
        **({"init": store.file_sha256(inputs.seeds.init)} if inputs.seeds.init else {}),
        "previous": _files(inputs.previous) if inputs.previous else None,
        "random_seed": params.random_seed,
        "training": params.training.model_dump(mode="json"),
        "model": params.model.model_dump(mode="json"),
        "common": defense.params.common.model_dump(mode="json"),
        "stage_params": getattr(defense.params, f"stage{stage}").model_dump(mode="json"),
        "code": list(code_lock.hashes_of(workspace, f"stage{stage}", item).values()),
    }
    return hashlib.sha256(store.json_bytes(parts)).hexdigest()


def _files(folder: Path) -> dict[str, str]:
    return {file.name: store.file_sha256(file) for file in sorted(folder.iterdir())}


def _hand_on(previous: Path, folder: Path, timing: Path) -> None:
    """Copy weights and state; nothing was decided here, so history and predictions are empty."""
    with store.atomic_directory(folder) as temporary:
        for name in ("model.safetensors", "state.safetensors"):
            shutil.copyfile(previous / name, temporary / name)
        facts = store.read_json(previous / "state.json")
        store.write_json(temporary / "state.json", {**facts, "hand_on": True})
        write_history(temporary / "history.parquet", [])
        write_predictions(temporary / "predictions.parquet", [])
    nothing = {
        "seconds": 0.0,
        "peak_bytes": 0,
        "device": None,
        "threads": None,
        "resumes": 0,
        "images_per_second": None,
    }
    store.write_json(timing, nothing)
