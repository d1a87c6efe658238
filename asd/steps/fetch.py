"""fetch: a data set's train and test images, as published, become two folders of shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from asd import store
from asd.datasets._base import SPLITS, LoadedSplit
from asd.datasets._obtain import obtain, test_source
from asd.datasets._test_folder import check_apart, for_training, load_test
from asd.errors import DataError
from asd.exclusions import Exclusion, read_exclusions
from asd.layout import Layout
from asd.params import Variant, Workspace
from asd.progress import Reporter
from asd.shards.manifest import EXCLUDED, LEFT_OUT, read_index
from asd.shards.write import check_space, write_shards
from asd.steps import StepItem
from asd.types import Excluded, Sample


def run(workspace: Workspace, item: StepItem, reporter: Reporter) -> None:
    """Read the source of `item.dataset`, write `data/fetched/<dataset>/{train,test}`.

    Raises:
        ParamsError: no source where one is needed.
        DataError: a broken image, no test split, a source that differs from its pointer, a
            trusted test set that shares pictures with the training data, or exclusions that would
            take out a whole class.
    """
    layout = workspace.layout
    lines = [line for line in read_exclusions(layout.exclusions) if line.dataset == item.dataset]
    variant = workspace.variant("datasets", item.dataset)
    source = obtain(layout, variant, reporter)
    train, test = _load(layout, variant, source, reporter)
    _check_alike(item.dataset, train, test)
    check_space(layout.fetched(item.dataset, "train"), train.count + test.count, train.image_shape)
    progress = _Progress(reporter, train.count + test.count)
    # Both are whole before the first gets its name, so a kill leaves no new train beside an old test.
    with (
        store.atomic_directory(layout.fetched(item.dataset, "train")) as train_folder,
        store.atomic_directory(layout.fetched(item.dataset, "test")) as test_folder,
    ):
        _write(train_folder, train, item.dataset, "train", progress, lines)
        _write(test_folder, test, item.dataset, "test", progress)
        obtain(layout, variant, reporter)  # the source is still what its pointer says
        if variant.params.test == "folder":
            place = test_source(layout, variant.name)
            check_apart(variant.name, place, read_index(train_folder), read_index(test_folder))


def _load(
    layout: Layout, variant: Variant, source: Path | None, reporter: Reporter
) -> tuple[LoadedSplit, LoadedSplit]:
    if variant.params.test != "folder":
        train, test = (variant.module.load(variant.params, split, source, reporter) for split in SPLITS)
        return train, test
    place = test_source(layout, variant.name)
    train = variant.module.load(for_training(variant.params, source), "train", source, reporter)
    return train, load_test(variant.name, variant.params, place, train, reporter)


def _check_alike(dataset: str, train: LoadedSplit, test: LoadedSplit) -> None:
    for field in ("class_names", "image_shape"):
        got, wanted = getattr(test, field), getattr(train, field)
        if got != wanted:
            raise DataError(f"{dataset}: the test split has {field} {got}, the training split {wanted}")


def _write(
    folder: Path,
    loaded: LoadedSplit,
    name: str,
    split: str,
    progress: _Progress,
    lines: Sequence[Exclusion] = (),
) -> None:
    excluding = _Excluding(loaded.class_names, lines)
    manifest = write_shards(
        folder,
        excluding.over(progress.over(loaded.samples)),
        left_out=loaded.left_out,
        excluded=excluding.excluded,
        name=name,
        split=split,
        class_names=loaded.class_names,
        image_shape=loaded.image_shape,
        trusted=loaded.trusted,
        group=loaded.group,
    )
    if manifest.count + len(loaded.left_out) + len(excluding.excluded) != loaded.count:
        raise DataError(f"{name}: wanted {loaded.count} {split} images, got {manifest.count}")
    excluding.check(name)
    place = f"data/fetched/{name}/{split}"
    if loaded.left_out:
        progress.reporter.warn(
            f"{len(loaded.left_out)} of {loaded.count} {split} images are left out; "
            f"each is named with its reason in {place}/{LEFT_OUT}"
        )
    for text in excluding.warnings(place):
        progress.reporter.warn(text)


class _Excluding:
    """Takes out the pictures that people confirmed as poisoned, by content, and records each."""

    def __init__(self, class_names: Sequence[str], lines: Sequence[Exclusion]) -> None:
        self.excluded: list[Excluded] = []
        self._class_names, self._lines = class_names, lines
        self._kept: Counter[str] = Counter()

    def over(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Pass on what is not excluded."""
        unwanted = {line.content_sha256 for line in self._lines}
        for sample in samples:
            name = self._class_names[sample.label]
            if unwanted and (content := sample.content_sha256) in unwanted:
                self.excluded.append(Excluded(sample.key, sample.source, name, content))
            else:
                self._kept[name] += 1
                yield sample

    def check(self, dataset: str) -> None:
        """Refuse to train without a class that the data has.

        Raises:
            DataError: names the class and how many pictures of it would go.
        """
        for name, count in Counter(one.class_name for one in self.excluded).items():
            if not self._kept[name]:
                raise DataError(
                    f"reviews/exclusions.csv takes out all {count} pictures of class {name!r} of {dataset}: "
                    "`asd audit confirm KEY --as clean` takes a line back; or take the class out of the data"
                )

    def warnings(self, place: str) -> Iterator[str]:
        """What a person should read: how many went, and which lines took nothing out."""
        if self.excluded:
            yield (
                f"{len(self.excluded)} pictures are left out because somebody confirmed them as poisoned; "
                f"each is named in {place}/{EXCLUDED}"
            )
        found = {one.content_sha256 for one in self.excluded}
        for line in self._lines:
            if line.content_sha256 not in found:
                who = f"{line.content_sha256} (by {line.by}, {line.day})"
                yield (
                    f"reviews/exclusions.csv: {who} takes nothing out: "
                    "no training picture has this content; it left the source, or the step poison made it"
                )


class _Progress:
    """A line at every tenth of both splits together."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self.reporter, self._total, self._done = reporter, total, 0

    def over(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Pass the samples on and count them."""
        for sample in samples:
            yield sample
            self._done += 1
            if self._done % max(1, self._total // 10) == 0:
                self.reporter.progress(self._done, self._total, "images")
