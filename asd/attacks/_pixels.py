"""Arithmetic on whole uint8 images that several triggers share. Shapes: (B, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asd.errors import ParamsError

if TYPE_CHECKING:
    from torch import Tensor


def to_uint8(values: Tensor) -> Tensor:
    """Round half to even and clip to 0..255."""
    import torch

    return values.round().clamp(0, 255).to(torch.uint8)


def add(images: Tensor, pattern_CHW: Tensor) -> Tensor:
    """The images plus a pattern in grey values, rounded and clipped."""
    import torch

    return to_uint8(images.to(torch.float32) + pattern_CHW.to(torch.float32))


def refuse_smaller(images: Tensor, least: int, why: str) -> None:
    """Refuse images with a side under `least` pixels.

    Raises:
        ParamsError: names the size got and wanted.
    """
    height, width = images.shape[2:]
    if min(height, width) < least:
        raise ParamsError(
            f"this attack needs images of at least {least}x{least} pixels, got {height}x{width}: {why}"
        )


def refuse_indivisible(size: Sequence[int], by: int) -> None:
    """Refuse images whose sides are not multiples of `by`, the halvings of a generator.

    Raises:
        ParamsError: names the size got and what is wanted.
    """
    if any(side % by for side in size):
        raise ParamsError(
            f"this attack's generator wants sides that are multiples of {by}, got {size[0]}x{size[1]}"
        )


def refuse_channels(images: Tensor, wanted: int) -> None:
    """Refuse images with another number of channels than an artifact was made for.

    Raises:
        ParamsError: names both.
    """
    if images.shape[1] != wanted:
        raise ParamsError(f"this attack was prepared for {wanted} channels, got {images.shape[1]}")


def move_one(images: Tensor, stamped: Tensor) -> Tensor:
    """`stamped`, but an image that came out as it was has its first value moved by one."""
    same = (stamped == images).flatten(1).all(dim=1)
    if same.any():
        first = stamped[same, 0, 0, 0]
        stamped[same, 0, 0, 0] = first + 1 - 2 * (first == 255).to(first.dtype)
    return stamped
