"""The embedded digits."""

from __future__ import annotations

import io

import numpy as np

from asd.datasets import digits
from asd.datasets._base import SPLITS, Split
from asd.progress import Reporter
from asd.types import Sample


def _load(split: Split, **params: int) -> list[Sample]:
    loaded = digits.load(digits.Params(**params), split, None, Reporter("fetch", "digits", io.StringIO()))
    return list(loaded.samples)


def test_the_split_is_1437_to_360_and_shares_no_picture() -> None:
    rows = [{sample.source for sample in _load(split)} for split in SPLITS]
    assert [len(found) for found in rows] == [1437, 360]
    assert not rows[0] & rows[1]


def test_the_split_does_not_change() -> None:
    # Written down once: everything trained on digits depends on it.
    assert [sample.key for sample in _load("test")[:4]] == [
        "test_000006",
        "test_000008",
        "test_000018",
        "test_000034",
    ]
    assert np.bincount([sample.label for sample in _load("test")]).tolist() == [
        38,
        33,
        29,
        35,
        50,
        36,
        33,
        34,
        31,
        41,
    ]


def test_a_limit_takes_the_same_number_of_each_class() -> None:
    samples = _load("train", limit=100)
    assert np.bincount([sample.label for sample in samples]).tolist() == [10] * 10


def test_a_picture_is_the_source_scaled_to_255_and_interpolated_to_16_pixels() -> None:
    from sklearn.datasets import load_digits

    sample = _load("train")[0]
    source = load_digits().images[int(sample.source.removeprefix("digits#"))] * (255 / 16)
    # Twice the size: each new pixel is 3/4 of the old one under it and 1/4 of the nearest neighbour.
    padded = np.pad(source, 1, mode="edge")
    tall = np.stack([0.75 * padded[1:-1] + 0.25 * padded[:-2], 0.75 * padded[1:-1] + 0.25 * padded[2:]], 1)
    tall = tall.reshape(16, 10)
    wide = np.stack(
        [0.75 * tall[:, 1:-1] + 0.25 * tall[:, :-2], 0.75 * tall[:, 1:-1] + 0.25 * tall[:, 2:]], 2
    )
    assert sample.image.shape == (1, 16, 16)
    assert np.abs(sample.image[0] - wide.reshape(16, 16)).max() <= 1.5
