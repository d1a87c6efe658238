"""The collapse guard: signs, visible without any truth, that a run is going wrong.

Each check gives warnings in words; they are shown at once and land in the report.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asd.pools.history import EpochRow
from asd.types import Labels, Losses, Mask

STARVED_EPOCHS = 5
STARVED_SHARE = 0.1
CHANCE_FACTOR = 1.5
CHANCE_AFTER_EPOCHS = 5
FITTED_LOSS = 1.0
FITTED_LEAST_COUNT = 0.1


def seed_accuracy_warning(
    predicted: NDArray[np.int64], labels: Labels, seeds: Mask, class_count: int, epoch: int
) -> list[str]:
    """Warn when the model is near chance on the trusted seeds after five epochs.

    Near chance: accuracy at most 1.5 / K.
    """
    if epoch < CHANCE_AFTER_EPOCHS or not seeds.any():
        return []
    accuracy = float((predicted[seeds] == labels[seeds]).mean())
    if accuracy > min(CHANCE_FACTOR / class_count, 0.9):
        return []
    return [
        f"epoch {epoch}: accuracy on the trusted seeds is {accuracy:.0%}, chance is {1 / class_count:.0%}; "
        "the model has learned nothing or has collapsed"
    ]


def starvation_warning(
    history: Sequence[EpochRow], in_clean: Mask, labels: Labels, class_names: Sequence[str], epoch: int
) -> list[str]:
    """Warn of classes that had under a tenth of their fair share of the clean pool for five epochs.

    The fair share of a class is its share of all samples times the size of the pool. Said in
    the fifth epoch and every fifth one after it.
    """
    recent = [row.in_clean for row in history[-(STARVED_EPOCHS - 1) :]] + [in_clean]
    if len(recent) < STARVED_EPOCHS or epoch % STARVED_EPOCHS:
        return []
    counts = np.bincount(labels, minlength=len(class_names))
    starved = counts > 0
    for pool in recent:
        fair = counts / len(labels) * pool.sum()
        starved &= np.bincount(labels[pool], minlength=len(class_names)) < STARVED_SHARE * fair
    names = [class_names[c] for c in np.flatnonzero(starved).tolist()]
    if not names:
        return []
    return [
        f"epoch {epoch}: for {STARVED_EPOCHS} epochs the clean pool had almost none of "
        f"{', '.join(names)}; set pools.class_floor or train stage 1 longer"
    ]


def fitted_share(virtual_losses: Losses, labels: Labels, in_clean: Mask, class_count: int) -> float:
    """Whether the virtual model learned something at once, 0 to 1.

    The largest, over the labels as given, share of a label's samples outside the present clean
    pool that the virtual model fits (SCE below 1, so a probability of about 0.9 for the label).
    A trigger that was learned shows as a large share of one label. Labels with fewer than a
    tenth of N/K samples outside do not count. 1 where no label counts.
    """
    least = FITTED_LEAST_COUNT * len(labels) / class_count
    shares = []
    for label in range(class_count):
        outside = ~in_clean & (labels == label)
        if outside.sum() >= max(1.0, least):
            shares.append(float((virtual_losses[outside] < FITTED_LOSS).mean()))
    return max(shares, default=1.0)
