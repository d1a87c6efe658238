"""How far changed pictures are from what they were: PSNR, SSIM, and the difference made visible.

PSNR and SSIM come from scikit-image; SSIM (Wang et al. 2004) with its default window of 7x7 equal
weights, which fits every picture of at least 7x7 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd.errors import DataError
from asd.types import Images

SSIM_WINDOW = 7
"""Side of SSIM's window in pixels."""

_WHITE = 255


@dataclass(frozen=True)
class Strength:
    """How visible a change is, as means over the pictures that it changes.

    Attributes:
        psnr: peak signal-to-noise ratio in dB, high is invisible; None if no picture changed.
        ssim: structural similarity, 1 is equal; None if no picture changed or they are under 7x7.
        pictures: how many pictures changed.
    """

    psnr: float | None
    ssim: float | None
    pictures: int


def strength(clean: Images, changed: Images) -> Strength:
    """Compare N pictures with what became of them; both uint8, shape (N, C, H, W).

    Raises:
        DataError: the shapes differ.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    _refuse_other_shapes(clean, changed)
    pairs = [(a, b) for a, b in zip(clean, changed, strict=True) if not np.array_equal(a, b)]
    if not pairs:
        return Strength(None, None, 0)
    psnr = [peak_signal_noise_ratio(a, b, data_range=_WHITE) for a, b in pairs]
    ssim = None
    if min(clean.shape[2:]) >= SSIM_WINDOW:
        each = [
            structural_similarity(a, b, win_size=SSIM_WINDOW, channel_axis=0, data_range=_WHITE)
            for a, b in pairs
        ]
        ssim = float(np.mean(each))
    return Strength(float(np.mean(psnr)), ssim, len(pairs))


@dataclass(frozen=True)
class Difference:
    """How two pictures, or two equally long rows of them, differ.

    Attributes:
        image: absolute differences times `factor`, uint8, of their shape.
        factor: so that the largest difference is white; 1 where there is none.
        largest: difference, 0 to 255.
        pixels: how many pixels differ at all.
    """

    image: Images
    factor: float
    largest: int
    pixels: int


def difference(one: Images, other: Images) -> Difference:
    """Compare pictures of the same shape (..., C, H, W); all are magnified alike.

    Raises:
        DataError: the shapes differ.
    """
    _refuse_other_shapes(one, other)
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    largest = int(apart.max(initial=0))
    factor = _WHITE / largest if largest else 1.0
    pixels = int(apart.any(axis=-3).sum())
    return Difference(np.rint(apart * factor).astype(np.uint8), factor, largest, pixels)


def _refuse_other_shapes(one: Images, other: Images) -> None:
    if one.shape != other.shape:
        raise DataError(f"pictures of {one.shape} and {other.shape} cannot be compared")
