"""Patches: small pictures that are put on an image, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asd.errors import ParamsError
from asd.types import Images, Mask

if TYPE_CHECKING:
    import torch

# Weights of red, green and blue in luma (ITU-R 601), in thousandths.
_LUMA = (299, 587, 114)


def to_channels(patch: Images, channels: int) -> Images:
    """A patch of shape (3, h, w) as it is, or as its luma with shape (1, h, w)."""
    if channels == 3:
        return patch
    if channels != 1:
        raise ValueError(f"images must have 1 or 3 channels, got {channels}")
    weighted = sum(weight * patch[i].astype(np.int64) for i, weight in enumerate(_LUMA))
    return ((np.asarray(weighted) + 500) // 1000).astype(np.uint8)[None]


def top_left(row: int, column: int, size: tuple[int, int], image: tuple[int, int]) -> tuple[int, int]:
    """Row and column from the top left; negative ones count from the bottom and the right.

    Raises:
        ParamsError: a patch of `size` (height, width) there is not wholly inside the image.
    """
    found = (row + image[0] if row < 0 else row, column + image[1] if column < 0 else column)
    if not all(at >= 0 and at + n <= whole for at, n, whole in zip(found, size, image, strict=True)):
        raise ParamsError(
            f"the {size[0]}x{size[1]} patch at row {row}, column {column} does not fit into images of "
            f"{image[0]}x{image[1]} pixels; set row, column or size of the attack"
        )
    return found


def put_patch(images: torch.Tensor, patch: Images, replaces: Mask, at: tuple[int, int]) -> torch.Tensor:
    """A copy of the images in which the patch's values stand where `replaces` is true.

    Args:
        images: uint8, shape (B, C, H, W).
        patch: uint8, shape (C, h, w).
        replaces: bool, shape (C, h, w).
        at: row and column of the patch's top left, inside the images.
    """
    import torch

    rows = slice(at[0], at[0] + patch.shape[1])
    columns = slice(at[1], at[1] + patch.shape[2])
    stamped = images.clone()
    stamped[:, :, rows, columns] = torch.where(
        torch.from_numpy(replaces).to(images.device),
        torch.from_numpy(patch).to(images.device),
        images[:, :, rows, columns],
    )
    return stamped
