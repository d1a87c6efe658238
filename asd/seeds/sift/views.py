"""Views of a picture in which a trigger may be absent or broken: three renderings, nine regions of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asd.seeds.sift.patches import SIDE, draw_dictionary, encode, parts
from asd.types import Images, Labels

QUARTERS = range(4)
REGIONS: dict[str, tuple[int, ...]] = {
    "whole": tuple(QUARTERS),
    **{f"quarter_{one}": (one,) for one in QUARTERS},
    **{f"without_{one}": tuple(other for other in QUARTERS if other != one) for one in QUARTERS},
}
"""Quarters that a region holds: top left, top right, bottom left, bottom right."""

_CHUNK = 250  # pictures at a time
_LEARN = 4000  # pictures that the patches to compare with come from
_KERNEL = (1, 4, 6, 4, 1)


def as_given(images_NCHW: Tensor) -> Tensor:
    """The picture itself."""
    return images_NCHW


def blurred(images_NCHW: Tensor) -> Tensor:
    """Without fine detail: fine patterns, noise and dithering are gone."""
    return _blur(_blur(images_NCHW))


def detail(images_NCHW: Tensor) -> Tensor:
    """Fine detail alone, without colour, shape (N, 1, H, W): tints and slow patterns are gone."""
    return (images_NCHW - _blur(images_NCHW)).mean(1, keepdim=True)


RENDERINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "as_given": as_given,
    "blurred": blurred,
    "detail": detail,
}


def small(images: Images, rows: Labels, device: torch.device) -> Tensor:
    """Some of the pictures (N, C, H, W) at 32x32, uint8, shape (R, C, 32, 32)."""
    found = []
    for start in range(0, len(rows), _CHUNK):
        part = torch.from_numpy(images[rows[start : start + _CHUNK]]).to(device)
        if part.shape[2:] != (SIDE, SIDE):
            part = functional.interpolate(
                part.float(), (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
            )
            part = part.round_().clamp_(0, 255).byte()
        found.append(part)
    return torch.cat(found)


def features(pictures_NCHW: Tensor, rendering: str, count: int, generator: np.random.Generator) -> Tensor:
    """Patch features of one rendering of small uint8 pictures, float32, shape (N, 4, count)."""
    render = RENDERINGS[rendering]
    chosen = generator.permutation(len(pictures_NCHW))[:_LEARN]
    sample = pictures_NCHW[torch.from_numpy(chosen).to(pictures_NCHW.device)]
    dictionary = draw_dictionary(render(sample.float() / 255), count, generator)
    return torch.cat(
        [encode(render(part.float() / 255), dictionary) for part in parts(pictures_NCHW, _CHUNK)]
    )


def _blur(images_NCHW: Tensor) -> Tensor:
    """A binomial filter of 5x5, mirrored at the border."""
    line = torch.tensor(_KERNEL, dtype=images_NCHW.dtype, device=images_NCHW.device) / sum(_KERNEL)
    kernel = torch.outer(line, line).expand(images_NCHW.shape[1], 1, 5, 5).contiguous()
    padded = functional.pad(images_NCHW, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(padded, kernel, groups=images_NCHW.shape[1])
