"""Pictures that are reflected in others: photographs from a folder, or pictures of the data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asd.datasets._images import decode_picture
from asd.errors import ParamsError
from asd.types import DataView, Images

_MOST_FILE_BYTES = 64 * 2**20
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


def reflection_pool(
    train: DataView, folder: Path | None, count: int, generator: np.random.Generator
) -> Images:
    """At most `count` reflections at the size and in the colours of `train`, uint8 (P, C, H, W).

    The first photographs of the folder in sorted order, or a random part of the data set.

    Raises:
        ParamsError: the folder is missing or holds no photograph.
        UnreadableError: one of them cannot be read.
    """
    channels, height, width = train.images.shape[1:]
    if folder is None:
        rows = np.sort(generator.permutation(len(train))[:count])
        return np.ascontiguousarray(train.images[rows])
    if not folder.is_dir():
        raise ParamsError(f"prepare.photographs: there is no folder {folder}")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in _SUFFIXES][:count]
    if not files:
        raise ParamsError(f"prepare.photographs: {folder} holds no picture ({', '.join(_SUFFIXES)})")
    return np.stack([_fitted(file, channels, height, width) for file in files])


def _fitted(file: Path, channels: int, height: int, width: int) -> Images:
    if file.stat().st_size > _MOST_FILE_BYTES:
        raise ParamsError(f"prepare.photographs: {file} has more than {_MOST_FILE_BYTES // 2**20} MiB")
    side = max(height, width)
    square = decode_picture(file.read_bytes(), str(file), image_size=side, channels=channels, fit="crop")
    top, left = (side - height) // 2, (side - width) // 2
    return square[:, top : top + height, left : left + width]
