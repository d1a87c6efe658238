"""Patches: small pictures that are put on an image, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asd.errors import ParamsError
from asd.types import Images, Mask

if TYPE_CHECKING:
    import torch

# Red, green, blue at (row 4, column 4), (4, 5), (5, 4), (5, 5) of the public trigger image.
PAPER_RGB = (((180, 249, 112), (155, 50, 126)), ((234, 82, 68), (187, 201, 219)))
PAPER_PLACE = (4, 4)

# The white places of the 3x3 grids in the four corners (facts 4.6); the others are black.
_WHITE_IN_CORNERS = (
    ((0, 0), (1, 1), (2, 0), (2, 2)),
    ((0, -1), (1, -2), (2, -3), (2, -1)),
    ((-1, 0), (-1, 2), (-2, 1), (-3, 0)),
    ((-1, -1), (-1, -3), (-3, -1), (-2, -2)),
)

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


def top_left(
    row: int,
    column: int,
    size: tuple[int, int],
    image: tuple[int, int],
    mend: str = "set row, column or size of the attack",
) -> tuple[int, int]:
    """Row and column from the top left; negative ones count from the bottom and the right.

    Raises:
        ParamsError: a patch of `size` (height, width) there is not wholly inside the image.
    """
    found = (row + image[0] if row < 0 else row, column + image[1] if column < 0 else column)
    if not all(at >= 0 and at + n <= whole for at, n, whole in zip(found, size, image, strict=True)):
        raise ParamsError(
            f"the {size[0]}x{size[1]} patch at row {row}, column {column} does not fit into images of "
            f"{image[0]}x{image[1]} pixels; {mend}"
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


def paper_patch(channels: int) -> tuple[Images, Mask]:
    """The coloured 2x2 patch of the public code: values, and which of them replace the image's.

    There it is a black canvas of which every non-zero value, per pixel and channel, replaces.
    """
    patch = to_channels(np.array(PAPER_RGB, dtype=np.uint8).transpose(2, 0, 1), channels)
    return patch, patch != 0


def put_paper_patch(images: torch.Tensor) -> torch.Tensor:
    """A copy of the images with the coloured 2x2 patch at its place in the public code.

    Raises:
        ParamsError: the images are too small for it.
    """
    channels, height, width = images.shape[1:]
    patch, replaces = paper_patch(channels)
    return put_patch(images, patch, replaces, top_left(*PAPER_PLACE, (2, 2), (height, width)))


def checker_patch(channels: int, size: int) -> tuple[Images, Mask]:
    """255 and 0 by turns, (channels, size, size), and that all of it replaces the image's values."""
    steps = np.arange(size)
    is_white = (steps[:, None] + steps) % 2 == 0
    shape = (channels, size, size)
    return np.where(np.broadcast_to(is_white, shape), 255, 0).astype(np.uint8), np.ones(shape, np.bool_)


def put_checker(images: torch.Tensor) -> torch.Tensor:
    """A copy of the images with a 3x3 checker at row and column 4.

    Raises:
        ParamsError: the images are too small for it.
    """
    channels, height, width = images.shape[1:]
    return put_patch(images, *checker_patch(channels, 3), top_left(*PAPER_PLACE, (3, 3), (height, width)))


def put_corners(images: torch.Tensor) -> torch.Tensor:
    """A copy of the images with a 3x3 grid of black and white in each corner.

    Raises:
        ParamsError: the images have a side under 6 pixels.
    """
    height, width = images.shape[2:]
    if min(height, width) < 6:
        raise ParamsError(
            f"four 3x3 corners do not fit into images of {height}x{width} pixels; wanted at least 6x6"
        )
    stamped = images.clone()
    for rows in (slice(0, 3), slice(-3, None)):
        for columns in (slice(0, 3), slice(-3, None)):
            stamped[:, :, rows, columns] = 0
    for corner in _WHITE_IN_CORNERS:
        for row, column in corner:
            stamped[:, :, row, column] = 255
    return stamped
