"""Features of pictures that no label was used for (Coates, Ng & Lee 2011).

Patches of 6x6 pixels, normalised and whitened, are compared with patches drawn at random (Coates & Ng
2011: these do nearly as well as learned ones); the activations are averaged over each quarter of the picture.

Shapes: N pictures, C channels, P = 36 C values of a patch, M random patches, Q = 4 quarters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SIDE = 32
"""Pixels of a side of the pictures that features are made of."""
PATCH, STRIDE = 6, 2

_PLACES = (SIDE - PATCH) // STRIDE + 1  # patches along a side
_DRAWN = 20_000  # patches that the whitening is measured on
_CONTRAST = 10 / 255**2  # added to variances, so that a flat patch stays small
_WHITEN = 0.1  # added to eigenvalues


@dataclass(frozen=True)
class Dictionary:
    """What patches are compared with.

    Attributes:
        mean_P: of normalised patches.
        whiten_PP: ZCA matrix.
        patches_MP: whitened patches of length 1.
    """

    mean_P: Tensor
    whiten_PP: Tensor
    patches_MP: Tensor


def draw_dictionary(images_NCHW: Tensor, count: int, generator: np.random.Generator) -> Dictionary:
    """Draw patches at random and measure the whitening on them.

    Args:
        images_NCHW: float32, 0 to 1, 32x32.
        count: M.
        generator: says which.
    """
    places = [generator.integers(0, end, _DRAWN) for end in (len(images_NCHW), *[SIDE - PATCH + 1] * 2)]
    drawn = torch.stack(
        [
            images_NCHW[n, :, row : row + PATCH, column : column + PATCH].reshape(-1)
            for n, row, column in zip(*(place.tolist() for place in places), strict=True)
        ]
    )
    normal = normalised(drawn)
    mean_P = normal.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(normal.T.double()))
    whiten_PP = (vectors * (values.clamp(min=0) + _WHITEN).rsqrt()) @ vectors.T
    whiten_PP = whiten_PP.to(drawn.dtype)
    chosen = (normal[:count] - mean_P) @ whiten_PP
    return Dictionary(mean_P, whiten_PP, functional.normalize(chosen, dim=1))


def encode(images_NCHW: Tensor, dictionary: Dictionary) -> Tensor:
    """The root of the mean 'triangle' activation of each quarter, float32, shape (N, Q, M).

    A patch activates what is nearer to it than the mean distance, by the difference. The quarters
    overlap by less than a patch. Memory: about 0.3 MB a picture for M = 192.
    """
    columns = functional.unfold(images_NCHW, PATCH, stride=STRIDE)
    active = triangle(normalised(columns.transpose(1, 2)), dictionary)
    grid = active.reshape(len(active), _PLACES, _PLACES, -1)
    half = _PLACES // 2
    rows = (grid[:, :half], grid[:, half:])
    quarters = [part.mean((1, 2)) for row in rows for part in (row[:, :, :half], row[:, :, half:])]
    return torch.stack(quarters, 1).sqrt()


def triangle(patches: Tensor, dictionary: Dictionary) -> Tensor:
    """max(0, mean distance - distance) to each of the M, shape (..., M), of normalised patches (..., P)."""
    white = (patches - dictionary.mean_P) @ dictionary.whiten_PP
    squares = white.square().sum(-1, keepdim=True) + 1 - 2 * (white @ dictionary.patches_MP.T)
    distance = squares.clamp_(min=0).sqrt_()
    return (distance.mean(-1, keepdim=True) - distance).clamp_(min=0)


def parts(values: Tensor, size: int) -> Iterator[Tensor]:
    """`size` rows at a time, in order."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def normalised(patches: Tensor) -> Tensor:
    """Mean 0 and contrast about 1 for each patch, the last axis."""
    variance, mean = torch.var_mean(patches, -1, keepdim=True)
    return (patches - mean) * (variance + _CONTRAST).rsqrt()
