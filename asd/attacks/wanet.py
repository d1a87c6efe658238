"""WaNet (Nguyen and Tran 2021): every image warped by one smooth fixed field.

The field is U(-1, 1) on a k x k control grid, divided by the mean of its absolute values, brought
to the image by bicubic upsampling, and added to the identity grid as s * field / H; the image is
sampled bilinearly with black outside. Drawn once and frozen, as poison-only attackers must.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one, refuse_smaller, to_uint8
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp", "stamp_decoy"]

changes_labels = True
_SMALLEST = 4


class Prepare(base.Params):
    """The drawing of the field."""

    k: int = Field(
        4, ge=2, le=512, description="side of the control grid; the paper has 4, at 224 pixels 224"
    )


class Params(TargetParams):
    """How far pixels move, and whether noisily warped decoys go with it."""

    s: float = Field(0.5, gt=0, description="mean shift in half pixels; the paper has 0.5, at 224 pixels 1")
    decoy_fraction: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the training set that is warped with noise and keeps its label "
        "(noise mode; the authors take twice the poison fraction)",
    )
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Draw the control grid, shape (1, 2, k, k)."""
    import torch

    from asd.rng import torch_generator

    generator = torch_generator(preparation.seed, "wanet")
    control = torch.rand((1, 2, params.k, params.k), generator=generator) * 2 - 1
    return {"control": control / control.abs().mean()}


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Warp by the fixed field; an image that it leaves as it is has its corner pixel moved by one."""
    refuse_smaller(images, _SMALLEST, "a field needs pixels to move")
    grid = warp_grid(artifacts["control"], params.s, *images.shape[2:])
    return move_one(images, _sample(images, grid.expand(len(images), -1, -1, -1)))


def stamp_decoy(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Warp by the field plus U(-1, 1) / H for each pixel, drawn for each image from its key."""
    import torch

    from asd.rng import generators_of

    refuse_smaller(images, _SMALLEST, "a field needs pixels to move")
    height, width = images.shape[2:]
    grid = warp_grid(artifacts["control"], params.s, height, width)
    noise = torch.empty((len(images), height, width, 2))
    for each, generator in zip(noise, generators_of(rng, keys), strict=True):
        each.uniform_(-1, 1, generator=generator)
    return move_one(images, _sample(images, (grid + noise / height).clamp(-1, 1)))


def warp_grid(control: torch.Tensor, s: float, height: int, width: int) -> torch.Tensor:
    """Where each pixel is taken from, shape (1, H, W, 2), x before y, in -1 to 1."""
    import torch
    from torch.nn import functional

    field = functional.interpolate(control, (height, width), mode="bicubic", align_corners=True)
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    identity = torch.stack([xs, ys], dim=-1)[None]
    return (identity + s * field.permute(0, 2, 3, 1) / height).clamp(-1, 1)


def _sample(images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    import torch
    from torch.nn import functional

    floats = images.to(torch.float32)
    sampled = functional.grid_sample(floats, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return to_uint8(sampled)
