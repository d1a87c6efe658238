"""Step `seed`: which samples are trusted, ranked per class. Oracle seeds alone read the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asd import store
from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.params import Workspace
from asd.progress import Reporter
from asd.seed_params import SIFT_REFUSED, SeedChoice, Use
from asd.seeds import drawing, ranking, seed_set
from asd.seeds.images import load_seed_images
from asd.seeds.seed_set import SeedSet
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import Manifest, read_index, read_manifest
from asd.shards.read import open_view
from asd.shards.verify import unchanged
from asd.shards.write import write_shards
from asd.sources import SEEDS, check_source
from asd.steps import StepItem
from asd.steps._sifted_seeds import sifted_seeds
from asd.steps._transferred_seeds import transferred_seeds
from asd.truth import read_truth
from asd.types import SampleIndex

NOT_TRUSTED = (
    "oracle seeds need known-clean data, and nobody vouches for the labels of {dataset}: pick seeds with "
    "`asd seeds sheet`, then `asd run -S seeds.use=keys`; or set seeds.use to folder (`asd seeds --help`)"
)


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Write `ranked.parquet`, `seed_set.json` and, in folder mode, the shards `extra`."""
    layout, attack, trial = workspace.layout, item.attack_name, item.trial_number
    base = layout.fetched(item.dataset, "train")
    overlay = layout.poisoned(item.dataset, attack, "train")
    truth = layout.truth(item.dataset, attack)
    choice, random_seed = workspace.params.seeds.of(attack), workspace.params.random_seed
    use = choice.use
    like = read_manifest(base)
    if use == "oracle" and not like.trusted:
        raise ParamsError(NOT_TRUSTED.format(dataset=item.dataset))
    if choice.poisoned and use != "oracle":
        raise ParamsError(
            f"seeds.poisoned is for experiments with seeds.use oracle; got {choice.poisoned} with {use}"
        )
    test = layout.fetched(item.dataset, "test")
    if use == "sift" and not choice.sift.accept_risk:
        raise ParamsError(SIFT_REFUSED)
    inputs = (base, overlay, *{"oracle": (truth,), "folder": (test,), "transfer": (test,)}.get(use, ()))
    with (
        store.atomic_directory(layout.seed_set(item.dataset, attack, trial)) as folder,
        unchanged(*inputs),
    ):
        index = open_view(base, overlay=overlay, pixel_cache=layout.pixel_cache).index
        if use == "oracle":
            seeds = _oracle(index, truth, choice, random_seed, trial)
        elif use == "keys":
            seeds = _keys(workspace, item, index, reporter)
        elif use == "transfer":
            seeds = transferred_seeds(workspace, item, like, _place(layout, use), folder, reporter)
        elif use == "sift":
            seeds = sifted_seeds(workspace, item, folder, reporter)
        else:
            outside, place = _outside(layout, like, folder / seed_set.EXTRA)
            drawing.check_outside(outside, index)
            drawing.check_not_tested_on(outside, read_index(test), place)
            seeds = drawing.from_outside(outside, random_seed, trial)
        if use != "transfer":
            seeds.check_classes(like.class_names)
        seed_set.write_seed_set(folder, seeds, like.class_names)
    if use != "transfer":
        trusted = "trusted samples" if use != "sift" else "samples that nobody vouches for, taken as trusted,"
        reporter.say(f"{len(seeds.keys)} {trusted} of {len(like.class_names)} classes ({use})")


def _oracle(index: SampleIndex, truth: Path, choice: SeedChoice, random_seed: int, trial: int) -> SeedSet:
    poisoned = read_truth(truth).poisoned_mask(index.keys)
    seeds = drawing.from_oracle(index, np.logical_not(poisoned), random_seed, trial)
    if choice.poisoned:
        seeds = drawing.mix_in_poisoned(seeds, index, poisoned, choice.poisoned, random_seed, trial)
    return seeds


def _keys(workspace: Workspace, item: StepItem, index: SampleIndex, reporter: Reporter) -> SeedSet:
    layout, keys_file = workspace.layout, workspace.params.seeds.of(item.attack_name).keys_file
    path = layout.seeds_by_people / keys_file
    if layout.seeds_by_people.resolve() not in path.resolve().parents:
        raise ParamsError(f"seeds.keys_file: wanted a file below seeds/, got {keys_file!r}")
    if path.suffix != ".csv":
        return drawing.from_keys(index, drawing.read_keys_file(path), f"seeds/{keys_file}")
    rows = [row for row in read_trusted(path) if row.dataset == item.dataset]
    if not rows:
        raise DataError(
            f"no seeds for {item.dataset} in seeds/{keys_file} yet: pick some with `asd seeds sheet`"
        )
    base = layout.fetched(item.dataset, "train")
    left = ranking.still_vouched(rows, read_index(base), index, read_manifest(base).class_names)
    if len(left) < len(rows):
        gone = len(rows) - len(left)
        reporter.warn(f"{gone} of {len(rows)} seeds left out: {item.attack_name} changed their pictures")
    return ranking.ranked(left, index, workspace.params.random_seed, item.trial_number, f"seeds/{keys_file}")


def _outside(layout: Layout, like: Manifest, extra: Path) -> tuple[SampleIndex, Path]:
    """Write the seed images from outside as shards; their index, and where they lie."""
    place = _place(layout, "folder")
    extra.mkdir()
    write_shards(
        extra,
        load_seed_images(place, like.class_names, like.image_shape),
        name="seeds",
        split="train",
        class_names=like.class_names,
        image_shape=like.image_shape,
        trusted=True,
    )
    return read_index(extra), place


def _place(layout: Layout, use: Use) -> Path:
    place = check_source(layout, SEEDS)
    if not isinstance(place, Path):
        raise ParamsError(
            f"seeds.use is {use}, but no folder is set: `asd source set seeds PATH`; or pick seeds from the "
            "training data with `asd seeds sheet`"
        )
    return place
