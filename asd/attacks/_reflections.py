"""Pictures that are reflected in others: photographs from a folder, or pictures of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asd.attacks._files import read_regular
from asd.datasets._decode import decode_picture
from asd.types import DataView, Images


def reflections_of(train: DataView, count: int, generator: np.random.Generator) -> Images:
    """A random part of the data set, uint8 (P, C, H, W)."""
    rows = np.sort(generator.permutation(len(train))[:count])
    return np.ascontiguousarray(train.images[rows])


def photographs(files: Sequence[Path], shape: Sequence[int], param: str) -> Images:
    """Photographs at the size and in the colours of a data set, uint8 (P, C, H, W); the middle is kept.

    Raises:
        DataError: one of them cannot be read; names `param`.
    """
    channels, height, width = shape
    read = ((read_regular(file, param), str(file)) for file in files)
    return np.stack([_fitted(data, where, channels, height, width) for data, where in read])


def _fitted(data: bytes, where: str, channels: int, height: int, width: int) -> Images:
    side = max(height, width)
    square = decode_picture(data, where, image_size=side, channels=channels, fit="crop")
    top, left = (side - height) // 2, (side - width) // 2
    return square[:, top : top + height, left : left + width]
