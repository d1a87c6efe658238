"""Random crop and flip of whole batches as tensors, with no worker processes.

All draws are made on the CPU from a generator given, so they do not depend on the device.
Shapes: B images, C H W.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asd.params import AugmentParams


@dataclass(frozen=True)
class Draws:
    """Random choices for B views: top-left corner of the crop in the padded image, and flips.

    Attributes:
        rows, columns: int64 (B,), 0 to 2*pad.
        flips: bool (B,).
    """

    rows: Tensor
    columns: Tensor
    flips: Tensor

    def part(self, start: int, stop: int) -> Draws:
        """The draws of views start to stop-1."""
        return Draws(self.rows[start:stop], self.columns[start:stop], self.flips[start:stop])

    def to(self, device: torch.device) -> Draws:
        """The same draws on another device."""
        if device.type == "cpu":
            return self
        return Draws(self.rows.to(device), self.columns.to(device), self.flips.to(device))


def draw(count: int, params: AugmentParams, generator: torch.Generator) -> Draws:
    """Draw the choices for `count` views."""
    high = 2 * params.pad + 1
    rows = torch.randint(0, high, (count,), generator=generator)
    columns = torch.randint(0, high, (count,), generator=generator)
    flips = torch.rand(count, generator=generator) < 0.5
    return Draws(rows, columns, flips if params.flip else torch.zeros(count, dtype=torch.bool))


def crop_and_flip(images_BCHW: Tensor, draws: Draws, params: AugmentParams) -> Tensor:
    """Views of a uint8 batch, shape (B, C, H, W) with channels last in memory.

    `reflect` mirrors the picture at its border without repeating the border row; `zero` pads
    with black. A pad wider than the picture allows is an error.

    Raises:
        ValueError: reflect padding of `pad` needs pictures larger than `pad`.
    """
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


def _reflected(position: Tensor, length: int) -> Tensor:
    position = position.abs()
    return torch.where(position >= length, 2 * (length - 1) - position, position)
