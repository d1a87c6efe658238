"""Pictures that are reflected in others: photographs from a folder, or pictures of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asd.datasets._decode import decode_picture
from asd.types import DataView, Images


def reflections_of(train: DataView, count: int, generator: np.random.Generator) -> Images:
    """A random part of the data set, uint8 (P, C, H, W)."""
    rows = np.sort(generator.permutation(len(train))[:count])
    return np.ascontiguousarray(train.images[rows])


def photographs(files: Sequence[Path], shape: Sequence[int]) -> Images:
    """Photographs at the size and in the colours of a data set, uint8 (P, C, H, W); the middle is kept.

    Raises:
        UnreadableError: one of them cannot be read.
    """
    channels, height, width = shape
    return np.stack([_fitted(file, channels, height, width) for file in files])


def _fitted(file: Path, channels: int, height: int, width: int) -> Images:
    side = max(height, width)
    square = decode_picture(file.read_bytes(), str(file), image_size=side, channels=channels, fit="crop")
    top, left = (side - height) // 2, (side - width) // 2
    return square[:, top : top + height, left : left + width]
