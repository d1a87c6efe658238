"""Everything that is on record of one cell's run, gathered once for the table, the figures and the page.

Shapes: N samples in view order (poison merged in, extra seeds at the end), K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asd.errors import DataError
from asd.pools import loss_reduction
from asd.types import Labels, Losses, Mask, SampleIndex

if TYPE_CHECKING:
    from asd.pools.history import EpochRow, History
    from asd.truth import PoisonTruth

STAGES = (1, 2, 3)


@dataclass(frozen=True)
class RecordedEpoch:
    """One epoch of one stage: every sample's loss and place."""

    stage: int
    row: EpochRow


@dataclass(frozen=True)
class MetaEpoch:
    """An epoch whose pool was chosen by loss reduction (paper section 4.2); arrays of shape (N,).

    Attributes:
        loss: of the model at the start of the epoch.
        virtual_loss: of the virtual model.
        kept: size of the pool that was chosen.
    """

    stage: int
    epoch: int
    loss: Losses
    virtual_loss: Losses
    kept: int

    @property
    def reduction(self) -> Losses:
        """Loss minus virtual loss; high is suspicious."""
        return loss_reduction(self.loss, self.virtual_loss)


@dataclass(frozen=True)
class TruthMasks:
    """What is known of the N samples because we planted it.

    Attributes:
        poisoned: samples we poisoned, shape (N,).
        decoys: samples we changed and left rightly labelled, shape (N,).
        label_before: label of each sample before anything was changed, shape (N,); -1 where nobody says.
        complete: True: all others are clean. False: nothing is known of the others.
    """

    poisoned: Mask
    decoys: Mask
    label_before: Labels
    complete: bool

    @property
    def planted(self) -> int:
        """Number of poisoned samples."""
        return int(self.poisoned.sum())


@dataclass(frozen=True)
class RunRecord:
    """What one run recorded.

    Attributes:
        index: the N samples as the run saw them.
        class_names: K names.
        trusted: whether somebody vouches for the labels as published.
        epochs: recorded epochs of all stages in order, the final scoring not among them.
        final: the final scoring; its `in_clean` is the pool at the end.
        seeds: samples the defense was given as trusted, shape (N,).
        truth: None where nothing is known (nothing planted, nobody vouches for the rest).
    """

    index: SampleIndex
    class_names: tuple[str, ...]
    trusted: bool
    epochs: tuple[RecordedEpoch, ...]
    final: EpochRow
    seeds: Mask
    truth: TruthMasks | None

    def __len__(self) -> int:
        return len(self.index)

    def meta_epochs(self) -> list[MetaEpoch]:
        """The meta-splits in order; those whose virtual model was refused are not among them."""
        return [
            MetaEpoch(e.stage, e.row.epoch, e.row.loss, e.row.virtual_loss, int(e.row.in_clean.sum()))
            for e in self.epochs
            if e.row.rule == "meta-split" and e.row.virtual_loss is not None
        ]

    def refused_epochs(self) -> int:
        """Epochs whose virtual model had not learned, so that the pool stayed as it was."""
        return sum(e.row.rule == "kept" and e.row.virtual_loss is not None for e in self.epochs)

    def last_of(self, stage: int) -> RecordedEpoch | None:
        """The last recorded epoch of a stage; None if the stage trained nothing on record."""
        own = [e for e in self.epochs if e.stage == stage]
        return own[-1] if own else None

    def last_splits(self) -> list[EpochRow]:
        """The epochs whose pool was chosen by the rule that chose the last one, in order."""
        splits = [e.row for e in self.epochs if e.row.rule not in ("kept", "final")]
        return [row for row in splits if row.rule == splits[-1].rule]

    def last_reduction(self) -> Losses | None:
        """Loss reduction of the last meta-split epoch, shape (N,); None if there was none."""
        meta = self.meta_epochs()
        return meta[-1].reduction if meta else None


def join_stages(histories: Sequence[History], count: int) -> tuple[tuple[RecordedEpoch, ...], EpochRow]:
    """Split the histories of stages 1 to 3 into recorded epochs and the final scoring.

    Raises:
        DataError: there is no final scoring, or an epoch is not about `count` samples.
    """
    everything = [
        RecordedEpoch(stage, row) for stage, h in zip(STAGES, histories, strict=True) for row in h.epochs
    ]
    for epoch in everything:
        if len(epoch.row.loss) != count:
            raise DataError(
                f"stage {epoch.stage}, epoch {epoch.row.epoch}: history of {len(epoch.row.loss)} samples, "
                f"but the data has {count}"
            )
    final = [e.row for e in everything if e.row.rule == "final"]
    if not final:
        raise DataError("no stage has a final scoring in its history; run stage1 to stage3 again")
    return tuple(e for e in everything if e.row.rule != "final"), final[-1]


def truth_masks(truth: PoisonTruth, index: SampleIndex, *, trusted: bool) -> TruthMasks | None:
    """Spread the truth over the N samples; None if nothing was planted and nobody vouches for the rest.

    Raises:
        DataError: the truth names a sample that is not there.
    """
    if not truth.keys and not trusted:
        return None
    poisoned = truth.poisoned_mask(index.keys)
    changed = truth.changed_mask(index.keys)
    before = dict(zip(truth.keys, truth.labels_before.tolist(), strict=True))
    label_before = np.array(
        [before.get(key, label) for key, label in zip(index.keys, index.labels.tolist(), strict=True)],
        dtype=np.int64,
    )
    return TruthMasks(poisoned, changed & ~poisoned, label_before, complete=trusted)
