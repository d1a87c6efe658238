"""A smooth trigger of low frequencies (after Zeng et al. 2021): one seeded pattern added to all images.

The pattern is a random sum of the `cutoff` x `cutoff` lowest two-dimensional cosines without the
constant, scaled to a root mean square of `strength` grey values. The authors search theirs on a
classifier; a random smooth one needs no network and is as invisible to high-pass filters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import add, move_one, refuse_channels, refuse_smaller
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp"]

changes_labels = True


class Prepare(base.Params):
    """The drawing of the pattern."""

    cutoff: int = Field(4, ge=2, le=32, description="cosines along each side; 4: at most 1.5 periods")


class Params(TargetParams):
    """How strong the pattern is."""

    strength: float = Field(12.0, gt=0, le=128, description="root mean square of the pattern in grey values")
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Draw the weights of the cosines, shape (C, cutoff, cutoff)."""
    import torch

    from asd.rng import torch_generator

    generator = torch_generator(preparation.seed, "lf")
    shape = (train.images.shape[1], params.cutoff, params.cutoff)
    weights = torch.randn(shape, generator=generator)
    weights[:, 0, 0] = 0
    return {"weights": weights}


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Add the pattern."""
    weights = artifacts["weights"]
    refuse_channels(images, len(weights))
    refuse_smaller(images, weights.shape[1] + 1, "the pattern's cosines do not fit")
    pattern = pattern_of(weights, *images.shape[2:])
    return move_one(images, add(images, pattern * params.strength))


def pattern_of(weights_CKK: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The sum of weighted cosines, shape (C, H, W), root mean square 1."""
    import torch

    def cosines(length: int) -> torch.Tensor:
        place = (torch.arange(length, dtype=torch.float64) + 0.5) * (math.pi / length)
        return torch.cos(torch.arange(weights_CKK.shape[1], dtype=torch.float64)[:, None] * place)

    pattern = torch.einsum("cuv,uh,vw->chw", weights_CKK.double(), cosines(height), cosines(width))
    return pattern / pattern.square().mean().sqrt()
