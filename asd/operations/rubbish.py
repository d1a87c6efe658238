"""All that may be deleted in a workspace, what goes by default and what only when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from asd.errors import AsdError
from asd.layout import Layout
from asd.operations import cache_cleaning, cleaning
from asd.operations.cleaning import Rubbish
from asd.operations.plan import ask_plan
from asd.params import Workspace
from asd.verify import cache_folder

_UNUSED, _OTHER = "unused results", "other checkpoints"
_TRAINING = ("stage1", "stage2", "stage3")


@dataclass
class Found:
    """Kinds of rubbish, each with whether it goes by default, and what could not be looked at."""

    kinds: list[tuple[Rubbish, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find(workspace: Workspace) -> Found:
    """Look for it; deletes nothing."""
    layout = workspace.layout
    found = Found([(one, True) for one in cleaning.derived(layout)])
    for one in cleaning.on_demand(layout):
        foreign = one.kind == _OTHER and bool(one.paths) and _nothing_trains(workspace)
        costs = "nothing: no stage that trains is stale" if foreign else one.costs
        found.kinds.append((replace(one, costs=costs), foreign))
    try:
        cache = cache_folder(layout.root)
        if cache_cleaning.is_ours(layout, cache):
            found.kinds.append((cache_cleaning.unused_objects(layout, cache), False))
        else:
            found.notes.append(f"the cache {cache} lies outside this workspace and is left alone")
    except AsdError as error:
        found.notes.append(f"the cache is left alone: {error}")
    return found


def delete(layout: Layout, found: Found, *, everything: bool) -> None:
    """Delete what goes by default; with `everything` all of it.

    Raises:
        DiskError: a path may not be deleted.
        DataError: dvc could not clean its cache.
    """
    for one, easy in found.kinds:
        if not (easy or everything) or not one.paths:
            continue
        if one.kind == _UNUSED:
            cache_cleaning.collect(layout, cache_folder(layout.root))
        else:
            cleaning.remove(one)


def _nothing_trains(workspace: Workspace) -> bool:
    """Whether no training stage is stale: then no checkpoint will ever be resumed."""
    try:
        plan = ask_plan(workspace.layout.root, workspace.cells(), look=True)
    except AsdError:
        return False
    return not any(stage.step in _TRAINING for stage in plan.stale)
