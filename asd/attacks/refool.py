"""Refool (Liu et al. 2020) in the simple form that is used with changed labels: random reflections.

Each sample gets a reflection of its own: a photograph (or another picture of the data set) mixed in,
either as a ghost (two shifted copies) or out of focus (blurred, under a Gaussian window). All is
computed in linear light (gamma 2.2), at the size of the image. The choices hang on the sample's key,
so they are the same however the samples are batched. Constants: facts 4.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, model_validator

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._files import picture_files
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one, refuse_channels, refuse_smaller, to_uint8
from asd.attacks._reflections import photographs, reflections_of
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp"]

changes_labels = True
_GAMMA = 2.2
_PHOTOGRAPHS = "prepare.photographs"
_SMALLEST = 8
_LEAST_SHIFT, _MOST_SHIFT = 3, 8  # pixels of a ghost
_AT_ONCE = 128  # images whose pixels fit the processor's cache together


class Prepare(base.Params):
    """Where reflections come from."""

    photographs: str | None = Field(
        None, description="folder of photographs, relative to the workspace; null: pictures of the data set"
    )
    photographs_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="of that folder")
    pool: int = Field(200, ge=1, le=10_000, description="reflections to choose from")


class Params(TargetParams):
    """How a reflection looks."""

    ghost: float = Field(0.49, ge=0, le=1, description="share of ghosts; the others are out of focus")
    least_background: float = Field(0.55, gt=0, lt=1, description="least weight of the image itself")
    most_background: float = Field(0.95, gt=0, lt=1, description="most weight of the image itself")
    prepare: Prepare = Prepare()

    @model_validator(mode="after")
    def _least_before_most(self) -> Params:
        if self.least_background > self.most_background:
            raise ValueError(
                f"least_background {self.least_background} is above most_background {self.most_background}"
            )
        return self


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Read or draw the reflections, uint8 (pool, C, H, W); the seed of all choices goes with them."""
    import torch

    from asd.rng import numpy_generator

    if params.photographs is None:
        generator = numpy_generator(preparation.seed, "refool")
        pool = reflections_of(train, params.pool, generator)
    else:
        given = (preparation.files, params.photographs, params.photographs_sha256)
        found = list(picture_files(*given, _PHOTOGRAPHS).values())
        pool = photographs(found[: params.pool], train.images.shape[1:], _PHOTOGRAPHS)
    reflections = torch.from_numpy(pool)
    return {"reflections": reflections, "seed": torch.tensor(preparation.seed)}


@dataclass(frozen=True)
class _Choices:
    """What is drawn for each of B samples; float32 or int64, shape (B,)."""

    reflection: torch.Tensor
    background: torch.Tensor
    is_ghost: torch.Tensor
    shift_x: torch.Tensor
    shift_y: torch.Tensor
    first_ghost: torch.Tensor
    sigma: torch.Tensor
    attenuation: torch.Tensor
    window_x: torch.Tensor
    window_y: torch.Tensor

    def part(self, some: torch.Tensor) -> _Choices:
        """The choices of some of the samples."""
        return _Choices(**{name: getattr(self, name)[some] for name in self.__dataclass_fields__})


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Mix a reflection into each image."""
    import torch

    reflections = artifacts["reflections"]
    refuse_channels(images, reflections.shape[1])
    refuse_smaller(images, _SMALLEST, "a ghost is shifted by up to a quarter of the image")
    if not len(images):
        return images.clone()
    chosen = _draw(int(artifacts["seed"]), keys, params, len(reflections), images.shape[2:])
    used, which = torch.unique(chosen.reflection, return_inverse=True)
    layers = _fitted(reflections[used], images.shape[2:])  # each once, however many samples share it
    stamped = torch.empty_like(images)
    for kind, mix in ((chosen.is_ghost, _with_ghost), (~chosen.is_ghost, _with_blur)):
        for some in torch.split(kind.nonzero().flatten(), _AT_ONCE):
            part, layer = chosen.part(some), layers[which[some]]
            linear = (images[some].to(torch.float32) / 255).pow_(_GAMMA)
            mixed = mix(linear, layer, part)
            stamped[some] = to_uint8(mixed.clamp_(0, 1).pow_(1 / _GAMMA).mul_(255))
    return move_one(images, stamped)


def _draw(seed: int, keys: Sequence[str], params: Params, pool: int, size: Sequence[int]) -> _Choices:
    """Every sample's choices, from its key and the seed alone."""
    import torch

    from asd.rng import derive_seed

    draws = np.stack(
        [np.random.Generator(np.random.PCG64(derive_seed(seed, "refool", key))).random(11) for key in keys]
    )
    u = torch.from_numpy(draws.astype(np.float32)).T
    most = max(1, min(_MOST_SHIFT, min(size) // 4))
    least = min(_LEAST_SHIFT, most)
    ghost_weight = 0.15 + 0.35 * u[6]
    return _Choices(
        reflection=torch.from_numpy((draws[:, 0] * pool).astype(np.int64)),
        background=params.least_background + (params.most_background - params.least_background) * u[1],
        is_ghost=u[2] < params.ghost,
        shift_x=(least + u[3] * (most - least + 1)).long().clamp(max=most),
        shift_y=(least + u[4] * (most - least + 1)).long().clamp(max=most),
        first_ghost=torch.where(u[5] < 0.5, ghost_weight, 1 - ghost_weight),
        sigma=1 + 4 * u[7],
        attenuation=1.08 + 0.1 * u[8],
        window_x=u[9],
        window_y=u[10],
    )


def _fitted(layers: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Reflections in linear light at the size of the images."""
    import torch
    from torch.nn import functional

    floats: torch.Tensor = layers.to(torch.float32) / 255
    if tuple(layers.shape[2:]) != tuple(size):
        floats = functional.interpolate(floats, tuple(size), mode="bicubic", antialias=True).clamp(0, 1)
    return floats.pow_(_GAMMA)


def _with_ghost(linear: torch.Tensor, layer: torch.Tensor, chosen: _Choices) -> torch.Tensor:
    """The image under two copies of the layer, shifted against each other."""
    import torch

    height, width = layer.shape[2:]
    from_y = (torch.arange(height) - chosen.shift_y[:, None]).clamp_(min=0)
    from_x = (torch.arange(width) - chosen.shift_x[:, None]).clamp_(min=0)
    place = (from_y[:, :, None] * width + from_x[:, None, :]).flatten(1)[:, None]
    shifted = layer.flatten(2).gather(2, place.expand(-1, layer.shape[1], -1)).view_as(layer)
    ghost = torch.lerp(shifted, layer, chosen.first_ghost[:, None, None, None])
    return torch.lerp(ghost, linear, chosen.background[:, None, None, None])


def _with_blur(linear: torch.Tensor, layer: torch.Tensor, chosen: _Choices) -> torch.Tensor:
    """The image under the layer: blurred, darker where both would burn out, below a window."""
    import torch

    height, width = layer.shape[2:]
    across, down = _blur_matrix(width, chosen.sigma), _blur_matrix(height, chosen.sigma)
    blurred = down[:, None] @ layer @ across[:, None].transpose(2, 3)
    excess = (blurred + linear).sub_(1).clamp_(min=0)
    mean_excess = excess.sum(dim=(2, 3)) / (excess > 0).sum(dim=(2, 3)).clamp(min=1)
    darker = blurred.sub_((mean_excess * chosen.attenuation[:, None])[:, :, None, None]).clamp_(0, 1)
    window = _window(height, chosen.window_y)[:, :, None] * _window(width, chosen.window_x)[:, None, :]
    window = window * (1 - chosen.background / 2)[:, None, None]
    background = linear * chosen.background[:, None, None, None]
    return torch.addcmul(background, darker, window[:, None])


def _blur_matrix(length: int, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian blur along one side as a matrix each, (B, length, length); rows sum to 1."""
    import torch

    place = torch.arange(length, dtype=torch.float32)
    apart = (place[:, None] - place[None, :]).expand(len(sigma), -1, -1)
    radius = (2 * sigma).ceil()[:, None, None]
    weights = torch.exp(-(apart**2) / (2 * sigma[:, None, None] ** 2)) * (apart.abs() <= radius)
    return weights / weights.sum(dim=2, keepdim=True)


def _window(length: int, place: torch.Tensor) -> torch.Tensor:
    """One side of a Gaussian window of three standard deviations whose middle lies at `place`."""
    import torch

    at = torch.linspace(-3, 3, length)[None, :] - (place[:, None] * 2 - 1) * 1.5
    half_step = 3 / max(1, length - 1)
    mass = torch.special.ndtr(at + half_step) - torch.special.ndtr(at - half_step)
    window: torch.Tensor = (mass / mass.amax(dim=1, keepdim=True)).sqrt()
    return window
