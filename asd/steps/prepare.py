"""Step `prepare`: what an attack trains or draws before it can poison (most need nothing)."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd import code_lock, store
from asd.attacks import GivenAttack, Preparation, PreparingAttack, SelectiveAttack
from asd.errors import AsdError
from asd.params import Variant, Workspace
from asd.planting import Trigger, plan
from asd.progress import Reporter
from asd.shards.read import open_view
from asd.shards.verify import unchanged
from asd.steps import StepItem
from asd.types import DataView

if TYPE_CHECKING:
    import torch

ARTIFACTS = "artifacts.safetensors"


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Write `artifacts.safetensors` and `prepared.json`; reads the `prepare` params only."""
    variant = workspace.variant("attacks", item.attack_name)
    with store.atomic_directory(workspace.layout.prepared(item.dataset, item.attack_name)) as folder:
        artifacts, made_from, scratch = _prepare(workspace, item, variant, reporter)
        _check_finite(variant, artifacts)
        store.write_tensors(folder / ARTIFACTS, artifacts)
        about = {
            "attack": variant.plugin,
            "params": variant.params.prepare.model_dump(mode="json"),
            "tensors": {name: list(tensor.shape) for name, tensor in artifacts.items()},
        }
        if made_from is not None:
            about["made_from"] = made_from
        store.write_json(folder / "prepared.json", about)
    if scratch is not None:  # not before: a full disk shall not cost the training
        shutil.rmtree(scratch, ignore_errors=True)


def is_current(workspace: Workspace, item: StepItem, variant: Variant, train: DataView) -> bool:
    """Whether `data/prepared` holds what the attack would prepare on these data now."""
    about = workspace.layout.prepared(item.dataset, item.attack_name) / "prepared.json"
    if not about.is_file():
        return False
    made_from: str | None = store.read_json(about).get("made_from")
    return made_from == _fingerprint(workspace, item, variant, train)


def _prepare(
    workspace: Workspace, item: StepItem, variant: Variant, reporter: Reporter
) -> tuple[dict[str, Any], str | None, Path | None]:
    """The artifacts, what they were made from, and where the checkpoints lie."""
    if not isinstance(variant.module, PreparingAttack | GivenAttack):
        reporter.say(f"attack {variant.plugin} has nothing to prepare")
        return {}, None, None
    layout, params = workspace.layout, variant.params.prepare
    source = layout.fetched(item.dataset, "train")
    with unchanged(source):
        train = open_view(source, pixel_cache=layout.pixel_cache)
        _refuse_impossible(workspace, variant, train)
        made_from = _fingerprint(workspace, item, variant, train)
        scratch = layout.scratch / f"prepare-{made_from}"
        preparation = Preparation(workspace.params.poison_seed, reporter, scratch, layout.root)
        artifacts: dict[str, Any] = variant.module.prepare(train, params, preparation)
    return artifacts, made_from, scratch


def _refuse_impossible(workspace: Workspace, variant: Variant, train: DataView) -> None:
    """Refuse what the step poison would refuse, before a network is trained for it."""
    if isinstance(variant.module, GivenAttack):
        return
    seed = workspace.params.poison_seed
    trigger = Trigger(variant.name, variant.module, variant.params, seed, train.class_count)
    trigger.check_labels(train.class_names)
    if not isinstance(variant.module, SelectiveAttack):  # which needs what is prepared
        plan(trigger, train.index)


def _check_finite(variant: Variant, artifacts: Mapping[str, torch.Tensor]) -> None:
    wrong = [name for name, made in artifacts.items() if not bool(made.isfinite().all())]
    if wrong:
        raise AsdError(
            f"attacks.{variant.name}: what it prepared is not finite ({wrong[0]}); try a lower learning rate"
        )


def _fingerprint(workspace: Workspace, item: StepItem, variant: Variant, train: DataView) -> str:
    """Names everything that the artifacts depend on: a checkpoint of another one is never resumed."""
    code = code_lock.hashes_of(workspace, "prepare", item)
    facts = {
        "data": train.index.fingerprint(),
        "attack": variant.plugin,
        "params": variant.params.prepare.model_dump(mode="json"),
        "seed": workspace.params.poison_seed,
        "code": {f"{section}.{name}": value for (section, name), value in code.items()},
    }
    return hashlib.sha256(store.json_bytes(facts)).hexdigest()[:32]
