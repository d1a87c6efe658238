"""Blend (Chen et al. 2017) as the ASD paper uses it: a faint picture over the image, and the target label.

Stamped = (1 - alpha) * image + alpha * trigger with alpha 0.1, on uint8. What is left behind the
point is cut off and not rounded, as by Pillow's `blend`, which the public DBD code calls. There
the trigger of CIFAR-10 is a cartoon, that of ImageNet-30 uniform noise; here it is noise unless
a picture is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._files import read_picture
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one
from asd.datasets._decode import decode_picture
from asd.errors import ParamsError
from asd.types import DataView, Images

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp"]

changes_labels = True

_TRIGGER = "trigger"


class PrepareParams(base.Params):
    """What is blended in."""

    picture: str | None = Field(
        None, description="a picture file, relative to the workspace; null: noise drawn from poison_seed"
    )
    picture_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="its SHA-256")


class Params(TargetParams):
    """What is blended in, how strongly, on how many samples."""

    alpha: float = Field(0.1, gt=0, le=1, description="weight of the trigger; the paper's is 0.1")
    prepare: PrepareParams = PrepareParams()


def prepare(train: DataView, params: PrepareParams, preparation: Preparation) -> dict[str, torch.Tensor]:
    """The trigger at the size of the images, uint8, shape (C, H, W); the same for training and test images.

    Raises:
        DataError: the picture cannot be read, or is another one than its hash says.
        ParamsError: no hash is given for the picture.
    """
    import torch

    from asd.rng import torch_generator

    shape = train.images.shape[1:]
    if params.picture is None:
        generator = torch_generator(preparation.seed, "prepare")
        return {_TRIGGER: torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)}
    data = read_picture(preparation.files, params.picture, params.picture_sha256, "prepare.picture")
    return {_TRIGGER: torch.from_numpy(_fitted(data, params.picture, shape))}


def _fitted(data: bytes, where: str, shape: tuple[int, ...]) -> Images:
    """The picture in `data` stretched to `shape` (C, H, W); bicubic, whatever Pillow's default is."""
    channels, height, width = shape
    pixels = decode_picture(data, where, channels=channels)
    planes = [Image.fromarray(p).resize((width, height), Image.Resampling.BICUBIC) for p in pixels]
    return np.stack([np.asarray(plane, np.uint8) for plane in planes])


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Lay the same faint trigger over every image; one that it leaves as it is has a value moved by one."""
    import torch

    trigger = artifacts[_TRIGGER]
    if trigger.shape != images.shape[1:]:
        got, wanted = ("x".join(map(str, size)) for size in (trigger.shape[1:], images.shape[2:]))
        raise ParamsError(
            f"the trigger of blend is {got}, the images are {wanted}; run the step prepare again"
        )
    whole = images.to(torch.float32)
    # float32 and this order of operations give Pillow's bytes for every pair of values
    blended = whole + params.alpha * (trigger.to(images.device).to(torch.float32) - whole)
    return move_one(images, blended.to(torch.uint8))
