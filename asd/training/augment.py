"""Random crop and flip of whole batches as tensors, with no worker processes.

The crop is a padded one (CIFAR-10), or a part of the image that is stretched (ImageNet). All draws
are made on the CPU from a generator given, so they do not depend on the device.
Shapes: B images, C H W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from asd.params import AugmentParams

_TRIES = 10
_MOST_ASPECT = 4 / 3


@dataclass(frozen=True)
class Draws:
    """Random choices for B views: top-left corner of the crop in the padded image, and flips.

    Attributes:
        rows, columns: int64 (B,), 0 to 2*pad.
        flips: bool (B,).
        tries: of resized crops: log of the aspect (width / height), share of the area, and places of
            the top-left corner (rows, columns), 0 to 1, of ten tries each; (B, 10, 4), else None.
    """

    rows: Tensor
    columns: Tensor
    flips: Tensor
    tries: Tensor | None = None

    def part(self, start: int, stop: int) -> Draws:
        """The draws of views start to stop-1."""
        tries = None if self.tries is None else self.tries[start:stop]
        return Draws(self.rows[start:stop], self.columns[start:stop], self.flips[start:stop], tries)

    def to(self, device: torch.device) -> Draws:
        """The same draws on another device."""
        if device.type == "cpu":
            return self
        tries = None if self.tries is None else self.tries.to(device)
        return Draws(self.rows.to(device), self.columns.to(device), self.flips.to(device), tries)


def draw(count: int, params: AugmentParams, generator: torch.Generator) -> Draws:
    """Draw the choices for `count` views."""
    high = 2 * params.pad + 1
    rows = torch.randint(0, high, (count,), generator=generator)
    columns = torch.randint(0, high, (count,), generator=generator)
    flips = torch.rand(count, generator=generator) < 0.5
    tries = None
    if params.resized_crop is not None:
        tries = torch.rand(count, _TRIES, 4, generator=generator)
        tries[..., 0] = (2 * tries[..., 0] - 1) * math.log(_MOST_ASPECT)
        tries[..., 1] = params.resized_crop + (1 - params.resized_crop) * tries[..., 1]
    return Draws(rows, columns, flips if params.flip else torch.zeros(count, dtype=torch.bool), tries)


def crop_and_flip(images_BCHW: Tensor, draws: Draws, params: AugmentParams) -> Tensor:
    """Views of a uint8 batch, shape (B, C, H, W) with channels last in memory.

    `reflect` mirrors the picture at its border without repeating the border row; `zero` pads
    with black. A pad wider than the picture allows is an error. Resized crops are bicubic, always
    enlarge, and look at pixels just outside of the crop, too.

    Raises:
        ValueError: reflect padding of `pad` needs pictures larger than `pad`.
    """
    if draws.tries is not None:
        return _resized_crop(images_BCHW, resized_boxes(draws.tries, *images_BCHW.shape[2:]), draws.flips)
    batch, _, height, width = images_BCHW.shape
    pad = params.pad
    if params.pad_mode == "reflect" and pad >= min(height, width):
        raise ValueError(
            f"augment.pad {pad} with reflect needs images larger than {pad}, got {height}x{width}"
        )
    rows = draws.rows[:, None] + torch.arange(height, device=images_BCHW.device) - pad
    columns = torch.arange(width, device=images_BCHW.device).expand(batch, width)
    columns = torch.where(draws.flips[:, None], width - 1 - columns, columns)
    columns = draws.columns[:, None] + columns - pad
    inside = None
    if params.pad_mode == "reflect":
        rows, columns = _reflected(rows, height), _reflected(columns, width)
    elif pad:
        inside_rows, inside_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        inside = inside_rows[:, :, None] & inside_columns[:, None, :]
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    which = torch.arange(batch, device=images_BCHW.device)
    views_BHWC = images_BCHW[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    if inside is not None:
        views_BHWC = views_BHWC * inside[..., None]
    return views_BHWC.permute(0, 3, 1, 2)


def resized_boxes(tries: Tensor, height: int, width: int) -> Tensor:
    """Top, left, height and width of each resized crop, whole pixels, (B, 4).

    The first of ten tries that fits into the image; if none does, the whole image. Area and aspect
    (3/4 to 4/3) are drawn as torchvision's RandomResizedCrop draws them.
    """
    aspect, area = tries[..., 0].exp(), tries[..., 1] * (height * width)
    heights, widths = (area / aspect).sqrt().round(), (area * aspect).sqrt().round()
    tops = (tries[..., 2] * (height - heights + 1)).floor()
    lefts = (tries[..., 3] * (width - widths + 1)).floor()
    fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    boxes = torch.stack([tops, lefts, heights, widths], dim=-1)
    first = boxes[torch.arange(len(boxes), device=boxes.device), fits.float().argmax(dim=1)]
    whole = boxes.new_tensor([0, 0, height, width])
    return torch.where(fits.any(dim=1)[:, None], first, whole)


def _resized_crop(images_BCHW: Tensor, boxes_B4: Tensor, flips_B: Tensor) -> Tensor:
    """Each image's box stretched to the whole size, perhaps mirrored; uint8."""
    height, width = images_BCHW.shape[2:]
    tops, lefts, heights, widths = boxes_B4.unbind(1)
    turn = torch.where(flips_B, -1.0, 1.0)
    zero = torch.zeros_like(tops)
    across = torch.stack([turn * widths / width, zero, (2 * lefts + widths) / width - 1], dim=1)
    down = torch.stack([zero, heights / height, (2 * tops + heights) / height - 1], dim=1)
    grid = functional.affine_grid(
        torch.stack([across, down], dim=1), list(images_BCHW.shape), align_corners=False
    )
    floats = images_BCHW.to(torch.float32)
    views = functional.grid_sample(
        floats, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return views.round().clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _reflected(position: Tensor, length: int) -> Tensor:
    position = position.abs()
    return torch.where(position >= length, 2 * (length - 1) - position, position)
