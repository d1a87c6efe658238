"""Transferred seeds, as a part of the step `seed`: their shards, the first model, and the domain gap."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd import rng, store
from asd.code_lock import hashes_of
from asd.errors import DataError
from asd.params import Workspace
from asd.progress import Reporter
from asd.seed_params import SeedChoice
from asd.seeds import domain_gap, drawing, seed_set
from asd.seeds.class_map import find_class_map, read_class_map
from asd.seeds.images import Naming, load_seed_images
from asd.seeds.seed_set import SeedSet
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import Manifest, read_index
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.steps import StepItem
from asd.types import DataView, Sample


def transferred_seeds(
    workspace: Workspace, item: StepItem, like: Manifest, place: Path, folder: Path, reporter: Reporter
) -> SeedSet:
    """Write the shards `extra`, `init.safetensors` and `domain_gap.json` into `folder`; a set without seeds.

    Args:
        like: the training data's classes and image shape.
        place: where the pictures of the other data set lie.

    Raises:
        DataError, ParamsError: a class without a picture, a picture of the test split, a class map that
            does not fit.
    """
    choice = workspace.params.seeds.of(item.attack_name)
    seed = rng.derive_seed(workspace.params.random_seed, "trial", item.trial_number)
    extra = folder / seed_set.EXTRA
    extra.mkdir()
    count = _write_pictures(workspace, choice, like, place, extra, seed)
    layout = workspace.layout
    test = read_index(layout.fetched(item.dataset, "test"))
    drawing.check_not_tested_on(read_index(extra), test, place)
    view = open_view(
        layout.fetched(item.dataset, "train"),
        overlay=layout.poisoned(item.dataset, item.attack_name, "train"),
        extra=extra,
        pixel_cache=layout.pixel_cache,
    )
    own = len(view) - count
    _train(workspace, item, view, own, seed, folder, reporter)
    gap = _gap(workspace, item, choice, view, own, folder)
    store.write_json(folder / seed_set.DOMAIN_GAP, gap)
    for warning in domain_gap.below_chance(gap):
        reporter.warn(warning)
    reporter.say(
        f"{count} pictures of another data set; the first model agrees with {gap['agreement']:.1%} of the "
        f"labels as given (chance {gap['chance']:.1%})"
    )
    nothing = np.zeros(0, dtype=np.int64)
    return SeedSet("transfer", (), nothing, nothing)


def _write_pictures(
    workspace: Workspace, choice: SeedChoice, like: Manifest, place: Path, extra: Path, seed: int
) -> int:
    """Write the pictures that are used as shards; how many they are."""
    params = choice.transfer
    mapping = None
    if params.class_map is not None:
        path = find_class_map(params.class_map, workspace.layout.seeds_by_people)
        mapping = read_class_map(path, like.class_names)
    naming = Naming(params.names_column, mapping)
    found = list(load_seed_images(place, like.class_names, like.image_shape, naming))
    taken = _taken(found, params.per_class, len(like.class_names), seed)
    counts = np.bincount([sample.label for sample in taken], minlength=len(like.class_names))
    empty = [name for name, number in zip(like.class_names, counts.tolist(), strict=True) if not number]
    if empty:
        raise DataError(
            f"{place} has no picture for {', '.join(map(repr, empty))}; every class needs seeds "
            "(seeds.transfer.class_map says which of its classes stand for which)"
        )
    write_shards(
        extra,
        taken,
        name="seeds",
        split="train",
        class_names=like.class_names,
        image_shape=like.image_shape,
        trusted=True,
    )
    return len(taken)


def _taken(found: list[Sample], per_class: int | None, class_count: int, seed: int) -> list[Sample]:
    """`per_class` of every class, drawn; all where a class has no more."""
    if per_class is None:
        return found
    chosen: set[int] = set()
    for label in range(class_count):
        rows = np.array([row for row, sample in enumerate(found) if sample.label == label], dtype=np.int64)
        chosen.update(
            rng.numpy_generator(seed, "transfer", "seeds", label).permutation(rows)[:per_class].tolist()
        )
    return [found[row] for row in sorted(chosen)]


def _train(
    workspace: Workspace,
    item: StepItem,
    view: DataView,
    own: int,
    seed: int,
    folder: Path,
    reporter: Reporter,
) -> None:
    from asd.training.resume import Checkpoints
    from asd.training.transfer import Given, transfer
    from asd.training.weights import configured_weights

    params = workspace.params
    parts = {
        "item": str(item),
        "data": view.index.fingerprint(),
        "seed": seed,
        "training": params.training.model_dump(mode="json"),
        "model": params.model.model_dump(mode="json"),
        "transfer": params.seeds.of(item.attack_name).transfer.model_dump(mode="json"),
        "code": list(hashes_of(workspace, "seed", item).values()),
    }
    fingerprint = hashlib.sha256(store.json_bytes(parts)).hexdigest()
    checkpoints = Checkpoints(workspace.layout.scratch, fingerprint)
    given = Given(
        view=view,
        count=own,
        model=workspace.model_variant(),
        training=params.training,
        params=params.seeds.of(item.attack_name).transfer,
        weights=configured_weights(workspace),
        random_seed=seed,
        checkpoint=checkpoints.state_folder,
        plugins=workspace.layout.plugins,
        reporter=reporter,
    )
    found = transfer(given)
    store.write_tensors(folder / seed_set.INIT, found.tensors, found.facts)
    checkpoints.finish(str(item))


def _gap(
    workspace: Workspace, item: StepItem, choice: SeedChoice, view: DataView, own: int, folder: Path
) -> dict[str, object]:
    from asd.training.classifier import load_classifier
    from asd.training.model_view import look

    classifier = load_classifier(folder / seed_set.INIT, workspace.layout.plugins)
    seen = look(classifier, view.images)
    predicted = seen.probabilities.argmax(1)
    parts = [
        domain_gap.Looked(seen.features[rows], predicted[rows], view.labels[rows])
        for rows in (slice(own, None), slice(0, own))
    ]
    handful = _vouched_rows(workspace, item, choice, view, own)
    return domain_gap.domain_gap(parts[0], parts[1], view.class_names, handful)


def _vouched_rows(
    workspace: Workspace, item: StepItem, choice: SeedChoice, view: DataView, own: int
) -> NDArray[np.int64]:
    """Training samples that people vouch for with the label that they have, if there are any."""
    path, index, class_names = (
        workspace.layout.seeds_by_people / choice.keys_file,
        view.index,
        view.class_names,
    )
    if path.suffix != ".csv" or not path.is_file():
        return np.zeros(0, dtype=np.int64)
    vouched = {(row.content_sha256, row.label) for row in read_trusted(path) if row.dataset == item.dataset}
    labels = [class_names[label] for label in index.labels[:own].tolist()]
    rows = [row for row in range(own) if (index.content[row], labels[row]) in vouched]
    return np.array(rows, dtype=np.int64)
