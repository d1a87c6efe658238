"""The workspace of rehearsals: `.rehearsal/`, with the production data copied and the production recipe.

What is planted stays in there. It may be deleted at any time: results are kept in `reviews/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from asd import sources, store
from asd.layout import Cell, Layout
from asd.new_workspace import create_with
from asd.operations.rehearsal.checks import Copied, Planting
from asd.params import Workspace, load_workspace
from asd.readiness import TEMPLATE, make_ready
from asd.rehearsals import fingerprint
from asd.seed_params import OUTSIDE

UNDEFENDED = "none"
_HEAD = "# Made by `asd rehearse` from the params of the workspace above; it is written anew each time.\n"


def undefended_name(workspace: Workspace) -> str:
    """The variant of defense `none` in `params.yaml`; `none` where there is none."""
    names = [
        name for name in workspace.params.defenses if workspace.plugin_name("defenses", name) == UNDEFENDED
    ]
    return UNDEFENDED if UNDEFENDED in names or not names else names[0]


def rehearsal_cells(workspace: Workspace, cell: Cell, attack: str) -> tuple[Cell, Cell]:
    """The undefended and the defended cell of one attack, in the rehearsal's workspace."""
    both = (undefended_name(workspace), cell.defense)
    first, second = (Cell(cell.dataset, attack, defense, cell.trial) for defense in both)
    return first, second


def rehearsal_params(
    workspace: Workspace, cell: Cell, attacks: Sequence[Planting], data: Copied
) -> dict[str, Any]:
    """`params.yaml` of the rehearsal: production's recipe, its data as they were fetched, the attacks."""
    params, bare, root = workspace.params, undefended_name(workspace), workspace.layout.root
    shared = params.model_dump(mode="json", include={"random_seed", "poison_seed", "training"})
    shared["seeds"] = params.seeds.of(cell.attack).model_dump(mode="json")
    return {
        "cells": {
            "datasets": [cell.dataset],
            "attacks": [one.attack for one in attacks],
            "defenses": [bare, cell.defense],
            "trials": [cell.trial],
        },
        **shared,
        "model": found_from_afar(params.model.model_dump(mode="json", exclude_none=True), root),
        "datasets": {
            cell.dataset: {
                "use": "shards",
                "trusted": data.train.trusted,
                "trusted_test": data.test.trusted,
            }
        },
        "attacks": {one.attack: found_from_afar(one.section, root) for one in attacks},
        "defenses": {
            bare: found_from_afar(params.defenses.get(bare, {"use": UNDEFENDED}), root),
            cell.defense: found_from_afar(params.defenses[cell.defense], root),
        },
    }


def found_from_afar(section: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A section of params whose files are named by absolute paths.

    A param names a file of the workspace at `root` where its hash stands beside it: `picture` and
    `picture_sha256`.
    """
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            found[key] = found_from_afar(value, root)
        elif isinstance(value, str) and f"{key}_sha256" in section:
            found[key] = str(root / Path(value).expanduser())
        else:
            found[key] = value
    return found


def make_place(workspace: Workspace, cell: Cell, attacks: Sequence[Planting], data: Copied) -> Workspace:
    """Make `.rehearsal/` or bring it up to date; to be called while its lock is held.

    Raises:
        DataError: the fetched data or the seeds cannot be read.
        DiskError: nothing may be written there.
    """
    layout = Layout(workspace.layout.rehearsal)
    text = _HEAD + yaml.safe_dump(
        rehearsal_params(workspace, cell, attacks, data), sort_keys=False, allow_unicode=True
    )
    with store.disk_errors(layout.root):
        layout.root.mkdir(parents=True, exist_ok=True)
        # so that git and DVC of the workspace above leave it alone, whatever their settings
        _write(layout.root / ".gitignore", "*\n", keep=True)
    if layout.pipeline.exists():  # made by another version of asd
        _write(layout.pipeline, (TEMPLATE / "pipeline.yaml").read_text())
    if layout.params.exists():
        _fill(workspace, cell, layout)
        _write(layout.params, text)
        make_ready(layout.root)
    else:
        create_with(layout.root, text, before_params=lambda _: _fill(workspace, cell, layout))
    return load_workspace(layout.root)


def _write(target: Path, text: str, *, keep: bool = False) -> None:
    if target.exists() and (keep or target.read_text() == text):
        return
    with store.atomic_file(target) as temporary:
        temporary.write_text(text)


def _fill(workspace: Workspace, cell: Cell, layout: Layout) -> None:
    """Bring in what the params point to: the data, the seeds, plug-ins of the workspace."""
    production = workspace.layout
    sources.set_source(layout, cell.dataset, production.fetched(cell.dataset, "train").parent)
    if workspace.params.seeds.of(cell.attack).use in OUTSIDE:
        place = sources.resolve_source(production, sources.SEEDS)
        if place is not None:
            sources.set_source(layout, sources.SEEDS, place)
    _mirror(production.seeds_by_people, layout.seeds_by_people)
    _mirror(production.plugins, layout.plugins)


def _mirror(source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds; nothing where there is no `source`."""
    if not source.is_dir():
        if target.is_dir():
            shutil.rmtree(target)
        return
    with store.atomic_directory(target) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def inputs_of(place: Workspace, cell: Cell, attack: str) -> str:
    """The fingerprint of all that the figures of one attack depend on; other attacks play no part."""
    raw = yaml.safe_load(place.layout.params.read_text())
    raw["cells"].pop("attacks")
    lock = yaml.safe_load(place.layout.code_lock.read_text())
    for whole in (raw, lock):
        whole["attacks"] = whole["attacks"][attack]
    seeds = place.layout.seeds_by_people
    return fingerprint(
        {
            "params": raw,
            "code": lock,
            "data": sources.read_pointer(place.layout, cell.dataset),
            "seeds": sources.describe(seeds) if seeds.is_dir() else None,
            "outside": sources.read_pointer(place.layout, sources.SEEDS),
        }
    )
