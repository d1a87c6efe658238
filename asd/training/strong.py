"""Strong augmentation of whole batches on the device: RandAugment, then a cut-out square.

Each image draws its own operations; images that draw the same one in the same turn share its
strength, so that torchvision's batched kernels do the work (decision 0030). All draws are made
on the CPU from a generator given, so they do not depend on the device.
Source: Cubuk et al. 2020; operations, ranges and the grey square of TorchSSL (facts 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from asd.params import Params

_CUT_COLOUR = (125, 123, 114)
_CUT_GREY = 123


class StrongParams(Params):
    """How strong a strong view is."""

    operations: int = Field(3, ge=0, description="RandAugment operations on each image, one after the other")
    cutout: float = Field(
        0.5, ge=0, le=1, description="largest side of the cut-out square, as a share of the width"
    )


@dataclass(frozen=True)
class StrongDraws:
    """Random choices for B strong views.

    Attributes:
        operations: number of the operation in each turn, int64 (B, turns), on the CPU.
        levels: strength of each operation in each turn, 0 to 1, (turns, operations).
        squares: centre row, centre column (shares of height and width) and side (share of the
            width) of the cut-out, (B, 3).
    """

    operations: Tensor
    levels: Tensor
    squares: Tensor


def draw_strong(count: int, params: StrongParams, generator: torch.Generator) -> StrongDraws:
    """Draw the choices for `count` strong views."""
    size = (count, params.operations)
    operations = torch.randint(0, len(OPERATIONS), size, generator=generator)
    levels = torch.rand(params.operations, len(OPERATIONS), generator=generator)
    squares = torch.rand(count, 3, generator=generator)
    squares[:, 2] *= params.cutout
    return StrongDraws(operations, levels, squares)


def augment_strongly(images_BCHW: Tensor, draws: StrongDraws) -> Tensor:
    """Strong views of a uint8 batch of grey or RGB images, same shape; the batch is left alone."""
    views = images_BCHW.contiguous().clone()
    kernels = list(OPERATIONS.values())
    for turn, levels in enumerate(draws.levels.tolist()):
        chosen = draws.operations[:, turn]
        for number, kernel in enumerate(kernels):
            members = torch.nonzero(chosen == number)[:, 0].to(views.device)
            if len(members):
                views[members] = kernel(views[members], levels[number])
    return _cut_out(views, draws.squares.to(views.device))


def _cut_out(views_BCHW: Tensor, squares_B3: Tensor) -> Tensor:
    """Fill each image's square, as far as it lies in the image."""
    _, channels, height, width = views_BCHW.shape
    rows, columns, sides = (squares_B3 * squares_B3.new_tensor([height, width, width])).T
    inside = _band(rows, sides, height)[:, :, None] & _band(columns, sides, width)[:, None, :]
    colour = _CUT_COLOUR if channels == len(_CUT_COLOUR) else (_CUT_GREY,) * channels
    fill = torch.tensor(colour, dtype=torch.uint8, device=views_BCHW.device).view(1, -1, 1, 1)
    return torch.where(inside[:, None], fill, views_BCHW)


def _band(centre_B: Tensor, side_B: Tensor, length: int) -> Tensor:
    """Positions whose middle lies within half a side of the centre, bool (B, length)."""
    middle = torch.arange(length, device=centre_B.device) + 0.5
    return (middle - centre_B[:, None]).abs() < side_B[:, None] / 2


# -- the operations: uint8 images of one group and a strength from 0 to 1 -----------------------


def _factor(level: float) -> float:
    return 0.05 + 0.9 * level


def _signed(level: float, most: float) -> float:
    return (2 * level - 1) * most


def _kernel(name: str) -> Callable[..., Tensor]:
    from torchvision.transforms.v2 import functional  # here: nothing but strong views needs it

    kernel: Callable[..., Tensor] = getattr(functional, name)
    return kernel


def _enhance(name: str) -> Callable[[Tensor, float], Tensor]:
    return lambda images, level: _kernel(name)(images, _factor(level))


def _affine(
    images: Tensor, *, shear: tuple[float, float] = (0, 0), shift: tuple[int, int] = (0, 0)
) -> Tensor:
    """Shear (x, y as ratios, the corner stays) or shift (pixels); what comes in from outside is black."""
    degrees = [math.degrees(math.atan(ratio)) for ratio in shear]
    return _kernel("affine_image")(
        images, angle=0.0, translate=list(shift), scale=1.0, shear=degrees, center=[0, 0]
    )


OPERATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "autocontrast": lambda images, level: _kernel("autocontrast_image")(images),
    "brightness": _enhance("adjust_brightness_image"),
    "colour": _enhance("adjust_saturation_image"),
    "contrast": _enhance("adjust_contrast_image"),
    "equalise": lambda images, level: _kernel("equalize_image")(images),
    "identity": lambda images, level: images,
    "posterise": lambda images, level: _kernel("posterize_image")(images, 4 + min(int(5 * level), 4)),
    "rotate": lambda images, level: _kernel("rotate_image")(images, _signed(level, 30)),
    "sharpness": _enhance("adjust_sharpness_image"),
    "shear_x": lambda images, level: _affine(images, shear=(_signed(level, 0.3), 0)),
    "shear_y": lambda images, level: _affine(images, shear=(0, _signed(level, 0.3))),
    "solarise": lambda images, level: _kernel("solarize_image")(images, 255 * level),
    "translate_x": lambda images, level: _affine(
        images, shift=(round(_signed(level, 0.3) * images.shape[3]), 0)
    ),
    "translate_y": lambda images, level: _affine(
        images, shift=(0, round(_signed(level, 0.3) * images.shape[2]))
    ),
}
"""The fourteen operations of RandAugment as semi-supervised learning uses it, in TorchSSL's order."""
