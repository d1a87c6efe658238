"""Whether every written format predicts what the trained network predicts, on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asd.errors import DataError, GateError
from asd.ship.predict import Probabilities
from asd.types import Images, Labels

SAMPLES = 256
TOLERANCE = 1e-4
"""Largest difference of a probability that is let pass; float32 rounding in another order of sums."""

Predictions = tuple[Labels, Probabilities]


@dataclass(frozen=True)
class Agreement:
    """What was compared.

    Attributes:
        images: number of held-out images.
        largest: format -> largest difference of a probability from the trained network.
    """

    images: int
    largest: dict[str, float]


def held_out_part(images: Images, count: int = SAMPLES) -> Images:
    """`count` images spread evenly over a test set in its order (all, if it has fewer).

    Raises:
        DataError: the test set is empty.
    """
    if not len(images):
        raise DataError("the test set is empty, so that no export can be checked on held-out images")
    rows = np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(np.int64))
    return np.asarray(images[rows])


def compare(trained: Predictions, written: Mapping[str, Predictions]) -> Agreement:
    """Hold each format against the trained network.

    Raises:
        GateError: another class, or a probability further off than `TOLERANCE`.
    """
    labels, probabilities = trained
    largest = {}
    for name, (found, shares) in written.items():
        wrong = int((found != labels).sum())
        apart = float(np.abs(shares - probabilities).max())
        if wrong or not apart <= TOLERANCE:
            raise GateError(
                f"the format {name} differs from the trained network: another class on {wrong} of "
                f"{len(labels)} test images, probabilities up to {apart:.2g} apart (limit {TOLERANCE:g}); "
                "nothing was written"
            )
        largest[name] = apart
    return Agreement(len(labels), largest)
