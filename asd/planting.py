"""Planting an attack: which samples to poison, their stamped images, the probe set.

Only the pixels of samples that an attack changes are read, so the work on the training set
grows with the number of poisoned samples.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asd import rng
from asd.attacks import Attack, DecoyAttack, SelectiveAttack, TwoTriggerAttack
from asd.errors import ParamsError
from asd.truth import DECOY, POISONED, PoisonTruth, ProbeTruth
from asd.types import DataView, Images, Labels, Mask, Sample, SampleIndex

if TYPE_CHECKING:
    import torch

Rows = NDArray[np.int64]

PROBE_LIMIT = 1000
"""Most clean and most triggered test images in a probe set."""

_BATCH_BYTES = 16 * 2**20
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 4096


@dataclass(frozen=True)
class Trigger:
    """An attack ready to plant.

    Attributes:
        name: the variant's name, for messages.
        attack: the plug-in.
        params: its checked params.
        poison_seed: from which every draw is derived.
        class_count: K of the data set.
        artifacts: what its `prepare` made.
    """

    name: str
    attack: Attack
    params: Any
    poison_seed: int
    class_count: int
    artifacts: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def check_labels(self, class_names: tuple[str, ...]) -> None:
        """Refuse a target label that the data set does not have.

        Raises:
            ParamsError: names the label and the number of classes.
        """
        wanted = self.wanted_labels(np.arange(self.class_count))
        if int(wanted.max()) >= self.class_count:
            last = self.class_count - 1
            raise ParamsError(
                f"attacks.{self.name}: target label {int(wanted.max())} is outside the {self.class_count} "
                f"classes (0 is {class_names[0]!r} to {last} is {class_names[-1]!r})"
            )

    def wanted_labels(self, labels: Labels) -> Labels:
        """The label that the attacker wants for triggered images of each of `labels`."""
        return self.attack.relabel(labels, self.params, self.class_count)

    def planted_labels(self, labels: Labels) -> Labels:
        """Labels of poisoned training samples that had `labels` before."""
        return self.wanted_labels(labels) if self.attack.changes_labels else labels

    def can_stamp(self, index: SampleIndex) -> Mask:
        """Which samples the attack can stamp; most attacks can stamp any."""
        if isinstance(self.attack, SelectiveAttack):
            return self.attack.can_stamp(index.content, self.artifacts)
        return np.ones(len(index), dtype=np.bool_)

    @property
    def decoy_fraction(self) -> float:
        """Share of the training set that is changed and keeps its right label."""
        return float(self.params.decoy_fraction) if isinstance(self.attack, DecoyAttack) else 0.0

    def stamp(self, view: DataView, rows: Rows, part: str) -> Iterator[tuple[int, Images]]:
        """(row, stamped image of shape (C, H, W)) for each of `rows`; equal each time it is called.

        Args:
            part: `train`, `test` or `decoy`.
        """
        stamp = self.attack.stamp
        if part == "test" and isinstance(self.attack, TwoTriggerAttack):
            stamp = self.attack.stamp_test
        elif part == "decoy" and isinstance(self.attack, DecoyAttack):
            stamp = self.attack.stamp_decoy
        yield from self._stamped(stamp, view, rows, part)

    def _stamped(
        self, stamp: Callable[..., torch.Tensor], view: DataView, rows: Rows, part: str
    ) -> Iterator[tuple[int, Images]]:
        if not len(rows):
            return
        import torch

        generator = rng.torch_generator(self.poison_seed, "poison", "stamp", part)
        fitting = _BATCH_BYTES // math.prod(view.images.shape[1:])
        batch = min(max(fitting, _SMALLEST_BATCH), _LARGEST_BATCH)
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            images = torch.from_numpy(np.ascontiguousarray(view.images[some]))
            keys = [view.index.keys[row] for row in some]
            stamped = stamp(images, keys, self.artifacts, self.params, generator)
            yield from zip(some.tolist(), stamped.numpy(), strict=True)


@dataclass(frozen=True)
class Planting:
    """Rows of the training samples that an attack changes; both ascending, none in both.

    Attributes:
        poisoned: with the trigger and the attacker's label.
        decoys: changed, but rightly labelled.
    """

    poisoned: Rows
    decoys: Rows

    def __len__(self) -> int:
        return len(self.poisoned) + len(self.decoys)


def plan(trigger: Trigger, index: SampleIndex) -> Planting:
    """Which training samples to change.

    Raises:
        ParamsError: more samples are asked for than there are.
    """
    poisoned = choose_rows(trigger, index)
    return Planting(poisoned, _choose_decoys(trigger, len(index), poisoned))


def _choose_decoys(trigger: Trigger, count: int, poisoned: Rows) -> Rows:
    wanted = int(Fraction(str(trigger.decoy_fraction)) * count)
    others = np.setdiff1d(np.arange(count, dtype=np.int64), poisoned, assume_unique=True)
    if wanted > len(others):
        raise ParamsError(
            f"attacks.{trigger.name}: asks for {wanted} decoys, but only {len(others)} of {count} samples "
            "are not poisoned"
        )
    return np.sort(rng.numpy_generator(trigger.poison_seed, "poison", "decoys").permutation(others)[:wanted])


def choose_rows(trigger: Trigger, index: SampleIndex) -> Rows:
    """Rows of the training samples to poison, ascending.

    Drawn among the samples whose label the attack changes, or, for a clean-label attack,
    among those that have the wanted label already.

    Args:
        trigger: `params.count` is `exact` (floor(poison_fraction * N) samples, N being the whole
            training set, or with `of: eligible` those among which is drawn) or `bernoulli`
            (each eligible sample with that probability).
        index: the N training samples with their labels as given.

    Raises:
        ParamsError: more samples are asked for than there are.
    """
    params, labels = trigger.params, index.labels
    if params.poison_fraction == 0:
        return np.empty(0, dtype=np.int64)
    eligible = eligible_rows(trigger, index)
    generator = rng.numpy_generator(trigger.poison_seed, "poison", "select")
    if params.count == "bernoulli":
        drawn: Rows = eligible[generator.random(len(eligible)) < params.poison_fraction]
        return drawn
    # A fraction of the decimal number as written: 0.29 of 100 is 29, in binary it is 28.
    whole = len(eligible) if params.of == "eligible" else len(labels)
    wanted = int(Fraction(str(params.poison_fraction)) * whole)
    if wanted > len(eligible):
        kind = "outside" if trigger.attack.changes_labels else "of"
        kind = f"stamped pictures {kind}" if isinstance(trigger.attack, SelectiveAttack) else kind
        raise ParamsError(
            f"attacks.{trigger.name}: poison_fraction {params.poison_fraction} asks for {wanted} of the "
            f"{len(labels)} samples, but only {len(eligible)} are {kind} the target class"
        )
    return np.sort(generator.permutation(eligible)[:wanted])


def eligible_rows(trigger: Trigger, index: SampleIndex) -> Rows:
    """Rows among which the samples to poison are drawn, ascending."""
    is_changed = trigger.wanted_labels(index.labels) != index.labels
    return np.flatnonzero((is_changed == trigger.attack.changes_labels) & trigger.can_stamp(index))


def changed_samples(trigger: Trigger, train: DataView, planting: Planting) -> Iterator[Sample]:
    """The changed training samples, in manifest order; key and source stay."""
    both = heapq.merge(
        trigger.stamp(train, planting.poisoned, "train"),
        trigger.stamp(train, planting.decoys, "decoy"),
        key=lambda stamped: stamped[0],
    )
    labels = train.labels.copy()
    labels[planting.poisoned] = trigger.planted_labels(train.labels[planting.poisoned])
    for row, image in both:
        yield Sample(train.index.keys[row], image, int(labels[row]), train.index.sources[row])


def truth_of(index: SampleIndex, planting: Planting) -> PoisonTruth:
    """What `changed_samples` plants."""
    rows = np.sort(np.concatenate([planting.poisoned, planting.decoys]))
    decoys = set(planting.decoys.tolist())
    roles = tuple(DECOY if row in decoys else POISONED for row in rows.tolist())
    return PoisonTruth(tuple(index.keys[row] for row in rows), roles, index.labels[rows])


def triggered_samples(trigger: Trigger, test: DataView) -> Iterator[Sample]:
    """Test images with the trigger in, only those that count for attack success, wanted labels."""
    rows = triggered_rows(trigger, test)
    labels = trigger.wanted_labels(test.labels[rows])
    for (row, image), label in zip(trigger.stamp(test, rows, "test"), labels.tolist(), strict=True):
        yield Sample(test.index.keys[row], image, label, test.index.sources[row])


def triggered_rows(trigger: Trigger, test: DataView) -> Rows:
    """Rows of the test images that count for attack success, ascending."""
    counts = trigger.attack.counts_for_asr(test.labels, trigger.params)
    return np.flatnonzero(counts & trigger.can_stamp(test.index))


@dataclass(frozen=True)
class ProbeImage:
    """One image of the probe set: the row of its test image, and whether it is triggered."""

    row: int
    is_triggered: bool


def draw_probe(trigger: Trigger, test: DataView, limit: int = PROBE_LIMIT) -> tuple[ProbeImage, ...]:
    """At most `limit` clean and `limit` triggered test images, in probe order."""
    return draw_probe_of(trigger.poison_seed, len(test), triggered_rows(trigger, test), limit)


def draw_probe_of(
    poison_seed: int, clean_count: int, triggered_rows: Rows, limit: int = PROBE_LIMIT
) -> tuple[ProbeImage, ...]:
    """As `draw_probe`, of so many clean images and of these triggered ones."""
    generator = rng.numpy_generator(poison_seed, "poison", "probe")
    clean = generator.permutation(clean_count)[:limit]
    triggered = generator.permutation(triggered_rows)[:limit]
    both = [ProbeImage(row, False) for row in clean.tolist()]
    both += [ProbeImage(row, True) for row in triggered.tolist()]
    return tuple(both[i] for i in generator.permutation(len(both)))


def probe_samples(trigger: Trigger, test: DataView, probe: tuple[ProbeImage, ...]) -> Iterator[Sample]:
    """The probe set: keys `p000000`, `p000001`..., nothing that tells label or trigger."""
    wanted = {image.row for image in probe if image.is_triggered}
    # All are stamped again, as for the test part, so that both parts hold equal images.
    every = trigger.stamp(test, triggered_rows(trigger, test), "test") if wanted else ()
    stamped = {row: image for row, image in every if row in wanted}
    for number, image in enumerate(probe):
        pixels = stamped[image.row] if image.is_triggered else test.images[image.row]
        yield Sample(probe_key(number), np.asarray(pixels), 0, "probe")


def probe_truth_of(test: DataView, probe: tuple[ProbeImage, ...]) -> ProbeTruth:
    """What `probe_samples` hides."""
    rows = np.array([image.row for image in probe], dtype=np.int64)
    return ProbeTruth(
        keys=tuple(probe_key(number) for number in range(len(probe))),
        test_keys=tuple(test.index.keys[row] for row in rows),
        triggered=np.array([image.is_triggered for image in probe], dtype=np.bool_),
        labels=test.labels[rows],
    )


def probe_key(number: int) -> str:
    """Key of the probe image at this place."""
    return f"p{number:06d}"
