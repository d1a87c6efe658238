"""What must be so before a rehearsal begins: all that can be said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asd.attacks import GivenAttack
from asd.audit.verdict import LEAST_ORDINARY
from asd.cells import one_cell
from asd.errors import DataError, ParamsError, nearest
from asd.layout import Cell
from asd.params import Variant, Workspace, check
from asd.planting import Trigger, choose_rows
from asd.registry import Registry
from asd.seed_params import OUTSIDE, SIFT_REFUSED
from asd.seeds.standing import problems
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import MANIFEST, Manifest, read_index, read_manifest
from asd.ship import gates
from asd.sources import SEEDS, resolve_source
from asd.types import SampleIndex

LEAST_PLANTED = 10
"""Fewer planted samples show nothing."""

_SIDE, _PATCH, _MARGIN = 32, 3, 4  # the patch of preset cifar10-cpu: 3 pixels wide, 4 from the edge, of 32


@dataclass(frozen=True)
class Copied:
    """The production data that a rehearsal copies."""

    train: Manifest
    test: Manifest
    index: SampleIndex
    test_index: SampleIndex


@dataclass(frozen=True)
class Planting:
    """One attack to rehearse: its variant, its section of params, how many samples it plants, its target."""

    attack: str
    section: dict[str, Any]
    planted: int
    target: str


def production_cell(workspace: Workspace, pattern: str | None) -> Cell:
    """The cell to rehearse: the one asked for, else the one that would be promoted.

    Raises:
        ParamsError: none or several, or one with an attack or without a defense.
    """
    candidates = gates.unplanted(workspace)
    if pattern is not None:
        cell = one_cell(workspace.cells(), pattern)
        gates.refuse_undefended(workspace, cell)
        if cell not in candidates:
            raise ParamsError(
                f"{cell} has an attack planted already; a rehearsal is for data with attack none"
            )
        return cell
    if not candidates:
        raise ParamsError(
            "a rehearsal needs a cell with a defense on data in which nothing is planted: list attack none "
            "and a defense in cells of params.yaml"
        )
    promoted = gates.promoted_cell(workspace)
    if promoted in candidates:
        return promoted
    if len(candidates) > 1:
        shown = ", ".join(map(str, candidates))
        raise ParamsError(f"{len(candidates)} cells can be rehearsed, say which with --cell: {shown}")
    return candidates[0]


def read_copied(workspace: Workspace, dataset: str) -> Copied:
    """The data set as `fetch` left it.

    Raises:
        ParamsError: it is not fetched yet.
        DataError: it is damaged.
    """
    folders = [workspace.layout.fetched(dataset, split) for split in ("train", "test")]
    if not all((folder / MANIFEST).is_file() for folder in folders):
        raise ParamsError(
            f"the data of {dataset} are not fetched yet, so there is nothing to copy: `asd run`"
        )
    train, test = folders
    return Copied(read_manifest(train), read_manifest(test), read_index(train), read_index(test))


def check_seeds(workspace: Workspace, cell: Cell, data: Copied) -> None:
    """Refuse to rehearse without seeds that people vouch for.

    Raises:
        ParamsError: there are none.
        DataError: those there are do not fit the data.
    """
    layout, dataset, seeds = workspace.layout, cell.dataset, workspace.params.seeds.of(cell.attack)
    tell = "pick some with `asd seeds sheet` and `asd seeds add`"
    if seeds.use == "oracle":
        raise ParamsError(
            "no vouched seeds: seeds.use is oracle, but nobody knows the truth about data that are not ours; "
            f"{tell}, then `asd run -S seeds.use=keys`"
        )
    if seeds.use == "sift":
        if not seeds.sift.accept_risk:
            raise ParamsError(SIFT_REFUSED)
        return
    if seeds.use in OUTSIDE:
        if resolve_source(layout, SEEDS) is None:
            raise ParamsError(f"no vouched seeds: `asd source set seeds PATH`, or {tell}")
        return
    path = layout.seeds_by_people / seeds.keys_file
    if path.suffix != ".csv":
        if not path.is_file():
            raise ParamsError(f"no vouched seeds: there is no seeds/{seeds.keys_file}; {tell}")
        return
    rows = [row for row in read_trusted(path) if row.dataset == dataset]
    if not rows:
        raise ParamsError(f"no vouched seeds for {dataset} in seeds/{seeds.keys_file}: {tell}")
    wrong = problems(rows, data.index, data.train.class_names)
    if wrong:
        raise DataError(f"seeds: {wrong[0]}")


def check_fraction(fraction: float) -> None:
    """Refuse a share that is none.

    Raises:
        ParamsError: not above 0 and below 1.
    """
    if not 0 < fraction < 1:
        raise ParamsError(f"--fraction {fraction:g}: wanted a share above 0 and below 1, such as 0.05")


def plan_attack(
    workspace: Workspace, name: str, fraction: float, target: str | None, data: Copied
) -> Planting:
    """What planting an attack in the data would do, found without touching a picture.

    Args:
        name: a variant of `params.yaml`, with its params there, or a plug-in.
        fraction: share of the data to plant.
        target: class that the trigger shall ask for; None: as the variant says, else the paper's.

    Raises:
        ParamsError: unknown or no attack, too few samples, or a target class that is too small.
    """
    section = _section(workspace, name, data)
    plugin = str(section["use"])
    module = Registry("attacks", workspace.layout.plugins).get(plugin)
    fields = module.Params.model_fields
    if plugin == "none":
        raise ParamsError(f"attack {name} plants nothing; wanted one that does, such as badnets")
    if isinstance(module, GivenAttack):
        raise ParamsError(f"attack {name} is in its data already and cannot be planted in others")
    section["poison_fraction"] = fraction
    if "target_label" in fields and (target is not None or "target_label" not in section):
        section["target_label"] = _target(target, data.train.class_names)
    elif target is not None:
        raise ParamsError(f"attack {name} has no target class of its own; leave --target out")
    given = {key: value for key, value in section.items() if key != "use"}
    variant = Variant(name, plugin, module, check(module.Params, given, f"attacks.{name}"))
    return _planting(variant, section, workspace.params.poison_seed, data)


def _section(workspace: Workspace, name: str, data: Copied) -> dict[str, Any]:
    """The params of the attack: of its variant in `params.yaml`, else ones that fit the pictures."""
    known = workspace.params.attacks
    if name in known:
        return {**known[name], "use": workspace.plugin_name("attacks", name)}
    plugins = Registry("attacks", workspace.layout.plugins).names()
    if name not in plugins:
        both = sorted({*known, *plugins})
        raise ParamsError(f"no attack {name!r}{nearest(name, both)} (attacks: {', '.join(both)})")
    return {"use": name, **(_patch(data.train.image_shape) if name == "badnets" else {})}


def _patch(shape: tuple[int, int, int]) -> dict[str, Any]:
    """A checker as large beside the picture as that of preset cifar10-cpu."""
    side = min(shape[1:])
    at = side * _MARGIN // _SIDE
    return {"patch": "checker", "size": max(2, round(side * _PATCH / _SIDE)), "row": at, "column": at}


def _target(name: str | None, class_names: Sequence[str]) -> int:
    if name is None:
        return min(3, len(class_names) - 1)  # the paper's, on every data set
    if name not in class_names:
        raise ParamsError(
            f"--target {name!r} is no class{nearest(name, class_names)} (classes: {', '.join(class_names)})"
        )
    return class_names.index(name)


def _planting(variant: Variant, section: dict[str, Any], poison_seed: int, data: Copied) -> Planting:
    name, class_names, labels = variant.name, data.train.class_names, data.index.labels
    trigger = Trigger(name, variant.module, variant.params, poison_seed, len(class_names))
    trigger.check_labels(class_names)
    rows = choose_rows(trigger, data.index)
    if len(rows) < LEAST_PLANTED:
        raise ParamsError(
            f"{variant.params.poison_fraction:g} of {len(labels)} samples are {len(rows)}; wanted at least "
            f"{LEAST_PLANTED} planted: give a larger --fraction"
        )
    count = len(class_names)
    planted = np.bincount(trigger.planted_labels(labels[rows]), minlength=count)
    own = np.bincount(np.delete(labels, rows), minlength=count)
    for label in np.flatnonzero(planted).tolist():
        if own[label] < LEAST_ORDINARY * (own[label] + planted[label]):
            raise ParamsError(_too_small(data, label, int(planted[label]), int(own[label])))
    if not variant.module.counts_for_asr(data.test_index.labels, variant.params).any():
        raise ParamsError(f"no test picture counts for attack {name}: all are of the target class")
    wanted = {int(label) for label in trigger.wanted_labels(labels[rows])}
    target = class_names[wanted.pop()] if len(wanted) == 1 else ""
    return Planting(name, section, len(rows), target)


def _too_small(data: Copied, label: int, planted: int, own: int) -> str:
    class_names = data.train.class_names
    largest = int(np.bincount(data.index.labels).argmax())
    cure = "a smaller --fraction"
    if largest != label:
        cure += f" or a larger class, such as --target {class_names[largest]!r}"
    return (
        f"target class {class_names[label]!r} is too small: {planted} planted samples beside {own} of its "
        f"own leave too little to compare them with (wanted: {LEAST_ORDINARY:.0%} of its own); give {cure}"
    )
