"""scikit-learn's embedded hand-written digits: 1,797 grey pictures of 8x8, scaled to 16x16.

The data set has no split of its own; ours is drawn once and for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from asd.datasets._base import DatasetParams, LoadedSplit, Split, class_balanced_part
from asd.progress import Reporter
from asd.rng import numpy_generator
from asd.types import Images, Sample

EMBEDDED = True
_SIDE = 16
_TRAIN = 1437
_SPLIT_SEED = 0
_INK = 16  # the darkest value of the source
SIZE = (_TRAIN, 360, (1, _SIDE, _SIDE), 10)


class Params(DatasetParams):
    """Only the limits."""


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """1,437 train or 360 test pictures of shape (1, 16, 16); class names "0" to "9"."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = numpy_generator(_SPLIT_SEED, "datasets", "digits", "split").permutation(len(data.target))
    rows = np.sort(order[:_TRAIN] if split == "train" else order[_TRAIN:])
    rows = rows[class_balanced_part(data.target[rows].astype(np.int64), params.limit_of(split), split)]

    def samples() -> Iterator[Sample]:
        for row in rows.tolist():
            image = _enlarge(data.images[row])
            yield Sample(f"{split}_{row:06d}", image, int(data.target[row]), f"digits#{row}")

    names = tuple(str(digit) for digit in range(10))
    return LoadedSplit(names, (1, _SIDE, _SIDE), True, len(rows), samples())


def _enlarge(picture: NDArray[np.float64]) -> Images:
    """(8, 8) with values 0 to 16 -> uint8 (1, 16, 16), bilinear."""
    grey = np.rint(picture * (255 / _INK)).astype(np.uint8)
    large = Image.fromarray(grey).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return np.asarray(large, dtype=np.uint8)[np.newaxis]
