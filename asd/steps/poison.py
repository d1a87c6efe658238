"""Step `poison`: plant an attack in the training set, trigger test images, make the probe set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd import given, planting, store, truth
from asd.attacks import Artifacts, GivenAttack
from asd.params import Variant, Workspace
from asd.planting import Trigger
from asd.progress import Reporter
from asd.shards.manifest import Manifest, read_manifest
from asd.shards.one import open_sparsely
from asd.shards.read import open_view
from asd.shards.verify import unchanged
from asd.shards.write import write_shards
from asd.steps import StepItem
from asd.steps.prepare import ARTIFACTS
from asd.types import Sample

_REPORT_EVERY = 1000


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Write the train overlay, the triggered test set, the probe set and both truths.

    Of an attack that is in the data already the overlay is empty.
    """
    layout = workspace.layout
    dataset, attack = item.dataset, item.attack_name
    fetched = {split: layout.fetched(dataset, split) for split in ("train", "test")}
    prepared, variant = layout.prepared(dataset, attack), workspace.variant("attacks", attack)
    with (
        store.atomic_directory(layout.poisoned(dataset, attack, "train")) as train_folder,
        store.atomic_directory(layout.poisoned(dataset, attack, "test")) as test_folder,
        store.atomic_directory(layout.poisoned(dataset, attack, "probe")) as probe_folder,
        unchanged(*fetched.values(), prepared),
    ):
        job = _Job(workspace, variant, prepared, fetched, train_folder, test_folder, probe_folder, reporter)
        planted, hidden = _take_given(job) if isinstance(variant.module, GivenAttack) else _plant_all(job)
        truth.write_truth(layout.truth(dataset, attack), planted)
        truth.write_probe_truth(layout.probe_truth(dataset, attack), hidden)


@dataclass(frozen=True)
class _Job:
    """What the step reads, and the folders that it fills."""

    workspace: Workspace
    variant: Variant
    prepared: Path
    fetched: Mapping[str, Path]
    train_folder: Path
    test_folder: Path
    probe_folder: Path
    reporter: Reporter


_Both = tuple[truth.PoisonTruth, truth.ProbeTruth]


def _plant_all(job: _Job) -> _Both:
    workspace, variant, fetched = job.workspace, job.variant, job.fetched
    class_count = len(read_manifest(fetched["train"]).class_names)
    trigger = Trigger(
        variant.name,
        variant.module,
        variant.params,
        workspace.params.poison_seed,
        class_count,
        _artifacts(job.prepared),
    )
    planted = plant(trigger, fetched["train"], job.train_folder, job.reporter)
    cache = workspace.layout.pixel_cache
    hidden = _trigger_test(trigger, fetched["test"], job.test_folder, job.probe_folder, cache, job.reporter)
    return planted, hidden


def _take_given(job: _Job) -> _Both:
    """What was poisoned elsewhere: an empty overlay, and the truth as it was told."""
    workspace, variant, fetched, reporter = job.workspace, job.variant, job.fetched, job.reporter
    name, base, artifacts = variant.name, read_manifest(fetched["train"]), _artifacts(job.prepared)
    roles = variant.module.roles(artifacts, variant.params)
    if roles is None:
        matched = given.no_roles(name, trusted=base.trusted)
    else:
        limited = variant.params.limited
        matched = given.match_roles(name, roles, fetched["train"], fetched["test"], limited=limited)
    _write(job.train_folder, base, (), split="train", base=base)
    like = read_manifest(fetched["test"])
    test = open_view(fetched["test"], pixel_cache=workspace.layout.pixel_cache)
    triggered = given.match_test(name, variant.module.triggered(artifacts, variant.params), test.index)
    for text in (*matched.notes, *triggered.notes):
        reporter.say(text)
    samples = _counted(triggered.samples(), len(triggered.keys), "test images", reporter)
    _write(job.test_folder, like, samples, split="test")
    rows = np.arange(len(triggered.keys), dtype=np.int64)
    probe = planting.draw_probe_of(workspace.params.poison_seed, len(test), rows)
    _write(job.probe_folder, like, triggered.probe_samples(test, probe), split="probe")
    return matched.truth, triggered.probe_truth(test, probe)


def _artifacts(prepared: Path) -> Artifacts:
    """What `prepare` made; torch is imported only if it made something."""
    has_artifacts = bool(store.read_json(prepared / "prepared.json")["tensors"])
    return store.read_tensors(prepared / ARTIFACTS) if has_artifacts else {}


def plant(trigger: Trigger, source: Path, folder: Path, reporter: Reporter) -> truth.PoisonTruth:
    """Write the overlay: the changed samples alone, and only their pictures are read.

    Args:
        source: the training set as fetched.
        folder: an empty one for the overlay.

    Raises:
        ParamsError: the params do not fit these data.
        DataError: a picture that is read is not the one of the index.
    """
    base, train = read_manifest(source), open_sparsely(source)
    index = train.index
    trigger.check_labels(base.class_names)
    changed = planting.plan(trigger, index)
    if not len(changed.poisoned) and trigger.params.poison_fraction > 0:
        reporter.warn(f"attack {trigger.name} poisons none of the {base.count} training samples")
    samples: Iterable[Sample] = ()
    if len(changed):
        samples = planting.changed_samples(trigger, train, changed)
    _write(folder, base, _counted(samples, len(changed), "changed", reporter), split="train", base=base)
    return planting.truth_of(index, changed)


def _trigger_test(
    trigger: Trigger,
    source: Path,
    test_folder: Path,
    probe_folder: Path,
    pixel_cache: Path,
    reporter: Reporter,
) -> truth.ProbeTruth:
    like = read_manifest(source)
    test = open_view(source, pixel_cache=pixel_cache)
    total = len(planting.triggered_rows(trigger, test))
    samples = planting.triggered_samples(trigger, test)
    _write(test_folder, like, _counted(samples, total, "test images", reporter), split="test")
    probe = planting.draw_probe(trigger, test)
    _write(probe_folder, like, planting.probe_samples(trigger, test, probe), split="probe")
    return planting.probe_truth_of(test, probe)


def _write(
    folder: Path, like: Manifest, samples: Iterable[Sample], *, split: str, base: Manifest | None = None
) -> None:
    write_shards(
        folder,
        samples,
        name=like.name,
        split=split,
        class_names=like.class_names,
        image_shape=like.image_shape,
        trusted=like.trusted,
        base=base,
    )


def _counted(samples: Iterable[Sample], total: int, unit: str, reporter: Reporter) -> Iterator[Sample]:
    """Pass samples on and tell how many have come."""
    for done, sample in enumerate(samples, 1):
        yield sample
        if done % _REPORT_EVERY == 0 or done == total:
            reporter.progress(done, total, unit)
