"""Step `poison`: plant an attack in the training set, trigger test images, make the probe set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from asd import planting, store, truth
from asd.params import Workspace
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
    """Write the train overlay, the triggered test set, the probe set and both truths."""
    layout = workspace.layout
    dataset, attack = item.dataset, item.attack_name
    fetched = {split: layout.fetched(dataset, split) for split in ("train", "test")}
    prepared = layout.prepared(dataset, attack)
    with (
        store.atomic_directory(layout.poisoned(dataset, attack, "train")) as train_folder,
        store.atomic_directory(layout.poisoned(dataset, attack, "test")) as test_folder,
        store.atomic_directory(layout.poisoned(dataset, attack, "probe")) as probe_folder,
        unchanged(*fetched.values(), prepared),
    ):
        trigger = _trigger(workspace, attack, prepared, len(read_manifest(fetched["train"]).class_names))
        planted = plant(trigger, fetched["train"], train_folder, reporter)
        hidden = _trigger_test(
            trigger, fetched["test"], test_folder, probe_folder, layout.pixel_cache, reporter
        )
        truth.write_truth(layout.truth(dataset, attack), planted)
        truth.write_probe_truth(layout.probe_truth(dataset, attack), hidden)


def _trigger(workspace: Workspace, attack: str, prepared: Path, class_count: int) -> Trigger:
    """The attack with its artifacts; torch is imported only if there are any."""
    variant = workspace.variant("attacks", attack)
    has_artifacts = bool(store.read_json(prepared / "prepared.json")["tensors"])
    artifacts = store.read_tensors(prepared / ARTIFACTS) if has_artifacts else {}
    seed = workspace.params.poison_seed
    return Trigger(attack, variant.module, variant.params, seed, class_count, artifacts)


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
