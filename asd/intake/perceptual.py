"""A hash of what a picture looks like: near-duplicates differ in few of its 64 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE, _LOW = 32, 8


def _cosines() -> NDArray[np.float64]:
    """The 8 lowest rows of the orthonormal DCT-II of 32 values."""
    rows, places = np.arange(_LOW)[:, None], np.arange(_SIDE)[None]
    basis: NDArray[np.float64] = np.cos(np.pi * rows * (2 * places + 1) / (2 * _SIDE))
    basis *= np.sqrt(2 / _SIDE)
    basis[0] /= np.sqrt(2)
    return basis


_BASIS = _cosines()


def perceptual_hash(picture: Image.Image) -> int:
    """The 64-bit pHash of Zauner 2010: which of the 8 x 8 lowest DCT coefficients exceed their median.

    Coefficients are rounded to whole grey values, so that noise of a flat picture does not count.
    """
    grey = picture if picture.mode == "L" else picture.convert("L")
    if grey.size != (_SIDE, _SIDE):
        grey = grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    low = np.rint(_BASIS @ np.asarray(grey, np.float64) @ _BASIS.T).ravel()
    ordered = np.sort(low)
    median = (ordered[31] + ordered[32]) / 2
    return int.from_bytes(np.packbits(low > median).tobytes(), "big")
