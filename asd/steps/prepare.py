"""Step `prepare`: what an attack trains or draws before it can poison (most need nothing)."""

from __future__ import annotations

import os
from typing import Any

from asd import rng, store
from asd.attacks import PreparingAttack
from asd.params import Variant, Workspace
from asd.progress import Reporter
from asd.shards.read import open_view
from asd.shards.verify import unchanged
from asd.steps import StepItem

ARTIFACTS = "artifacts.safetensors"


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Write `artifacts.safetensors` and `prepared.json`; reads the `prepare` params only."""
    variant = workspace.variant("attacks", item.attack_name)
    with store.atomic_directory(workspace.layout.prepared(item.dataset, item.attack_name)) as folder:
        artifacts = _prepare(workspace, item, variant, reporter)
        store.write_tensors(folder / ARTIFACTS, artifacts)
        about = {
            "attack": variant.plugin,
            "params": variant.params.prepare.model_dump(mode="json"),
            "tensors": {name: list(tensor.shape) for name, tensor in artifacts.items()},
        }
        store.write_json(folder / "prepared.json", about)


def _prepare(workspace: Workspace, item: StepItem, variant: Variant, reporter: Reporter) -> dict[str, Any]:
    if not isinstance(variant.module, PreparingAttack):
        reporter.say(f"attack {variant.plugin} has nothing to prepare")
        return {}
    source = workspace.layout.fetched(item.dataset, "train")
    generator = rng.torch_generator(workspace.params.poison_seed, "prepare")
    with unchanged(source):
        train = open_view(source, pixel_cache=workspace.layout.pixel_cache)
        device = os.environ.get("ASD_DEVICE", "cpu")
        artifacts: dict[str, Any] = variant.module.prepare(train, variant.params.prepare, generator, device)
        return artifacts
