"""Sifted seeds, as a part of the step `seed`: look, choose, and write down why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd import store
from asd.params import Workspace
from asd.progress import Reporter
from asd.seeds import seed_set
from asd.seeds.seed_set import SeedSet
from asd.shards.read import open_view
from asd.steps import StepItem

if TYPE_CHECKING:
    from asd.seed_params import SiftParams
    from asd.seeds.sift.choosing import Sifted, Signals


def sifted_seeds(workspace: Workspace, item: StepItem, folder: Path, reporter: Reporter) -> SeedSet:
    """The seeds of a trial; writes `signals.parquet` into `folder`.

    Raises:
        DataError: fewer than two classes.
    """
    from asd.seeds.sift.choosing import choose, look  # imports torch
    from asd.seeds.sift.written import signals_table
    from asd.training import device as numeric

    layout, training = workspace.layout, workspace.params.training
    view = open_view(
        layout.fetched(item.dataset, "train"),
        overlay=layout.poisoned(item.dataset, item.attack_name, "train"),
        pixel_cache=layout.pixel_cache,
    )
    params, random_seed = workspace.params.seeds.of(item.attack_name).sift, workspace.params.random_seed
    mode = numeric.choose("float32", training.deterministic, None, training.threads)
    found = look(view, params, random_seed, numeric.apply(mode))
    sifted = choose(view, found, params, random_seed, item.trial_number)
    store.write_parquet(folder / seed_set.SIGNALS, signals_table(found, sifted, params))
    for warning in _warnings(found, sifted, params, view.class_names):
        reporter.warn(warning)
    return sifted.seeds


def _warnings(
    found: Signals, sifted: Sifted, params: SiftParams, class_names: Sequence[str]
) -> Iterator[str]:
    """Classes with seeds that did not pass, and with fewer than were asked for."""
    passed = found.passed(params)
    for label, name in enumerate(class_names):
        listed = int((sifted.seeds.labels == label).sum())
        if label in sifted.short:
            yield (
                f"class {name!r}: {int(passed[found.labels == label].sum())} samples passed the sift; "
                f"{sifted.short[label]} of its {listed} seeds did not, and were taken by rank"
            )
        if listed < params.per_class:
            yield f"class {name!r} has {listed} different pictures, so {listed} seeds, not {params.per_class}"
