"""BppAttack (Wang et al. 2022): fewer grey values a channel, with Floyd-Steinberg dithering.

x' = round(x / 255 * (levels - 1)) / (levels - 1) * 255, the rounding error of each pixel handed on
to its neighbours (7/16 right, 3/16 below left, 5/16 below, 1/16 below right). The authors also
steer the training with negative and adversarial samples; here poison is all that an attacker has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from asd.attacks import Artifacts
from asd.attacks._labels import NothingToPrepare, TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import to_uint8

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "relabel", "stamp"]

changes_labels = True
_AT_ONCE = 256  # images whose pixels fit the processor's cache together


class Params(TargetParams):
    """How many grey values are left."""

    levels: int = Field(8, ge=2, le=128, description="grey values a channel; the authors' squeeze_num")
    dither: bool = Field(True, description="Floyd-Steinberg; without it the plain nearest value")
    prepare: NothingToPrepare = NothingToPrepare()


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Quantise. An image that has only those values already gets its first value moved to the next."""
    import torch

    step = 255.0 / (params.levels - 1)
    if params.dither:
        stamped = torch.cat([_dithered(part, step) for part in torch.split(images, _AT_ONCE)])
    else:
        stamped = to_uint8((images / step).round() * step)
    same = (stamped == images).flatten(1).all(dim=1)
    if same.any():
        first = stamped[same, 0, 0, 0].to(torch.float32)
        stamped[same, 0, 0, 0] = to_uint8(torch.where(first < 128, first + step, first - step))
    return stamped


def _dithered(images: torch.Tensor, step: float) -> torch.Tensor:
    """Floyd-Steinberg on all images at once.

    Pixels with equal column + 2 * row wait only for pixels with a smaller sum, so a whole such
    diagonal is done in one go: W + 2H steps in place of W * H.
    """
    import torch

    count, channels, height, width = images.shape
    # Images last, so that a pixel of all of them is one run of memory. A border of one pixel left,
    # right and below takes what is handed out of the image.
    row_length = width + 2
    work = torch.zeros(((height + 1) * row_length, count * channels))
    inside = work.view(height + 1, row_length, -1)[:height, 1:-1]
    inside.copy_(images.flatten(0, 1).permute(1, 2, 0))
    for diagonal in range(width + 2 * (height - 1)):
        first, last = max(0, (diagonal - width + 2) // 2), min(height - 1, diagonal // 2)
        start = diagonal + 1 + first * width  # one row on, two columns back: `width` pixels on

        def pixels(offset: int, start: int = start, count: int = last - first + 1) -> torch.Tensor:
            return work[start + offset : start + offset + (count - 1) * width + 1 : width]

        here = pixels(0)
        # Nearest value inside the range: an error beyond it is not handed on for ever.
        new = here.mul(1 / step).round_().clamp_(0, round(255 / step)).mul_(step)
        error = here - new
        here.copy_(new)
        for offset, share in ((1, 7), (row_length - 1, 3), (row_length, 5), (row_length + 1, 1)):
            pixels(offset).add_(error, alpha=share / 16)
    return to_uint8(inside).permute(2, 0, 1).reshape(count, channels, height, width)
