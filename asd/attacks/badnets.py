"""BadNets (Gu et al. 2019) as the ASD paper uses it: a small patch, and the target label.

The default is the coloured 2x2 patch of the public code at rows 4-5, columns 4-5. There it is
a black canvas of which every non-zero value, per pixel and channel, replaces the image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from asd.attacks import Artifacts
from asd.attacks._labels import NothingToPrepare, TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one
from asd.attacks._trigger import checker_patch, paper_patch, put_patch, top_left
from asd.types import Images, Mask

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "relabel", "stamp"]

changes_labels = True


class Params(TargetParams):
    """Which patch, where, on how many samples."""

    patch: Literal["paper", "white", "checker"] = Field(
        "paper",
        description="paper: the coloured 2x2 patch (its luma on grey images); white: all 255; "
        "checker: 255 and 0 by turns",
    )
    size: int = Field(2, ge=1, le=1024, description="side of the patch in pixels; the paper's is 2")
    row: int = Field(4, description="top row of the patch; negative counts from the bottom")
    column: int = Field(4, description="left column of the patch; negative counts from the right")
    prepare: NothingToPrepare = NothingToPrepare()

    @model_validator(mode="after")
    def _paper_patch_is_2x2(self) -> Params:
        if self.patch == "paper" and self.size != 2:
            raise ValueError(f"the paper's patch is 2x2, got size {self.size}; use patch white or checker")
        return self


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Put the same patch on every image; one that looks so already has its first value moved by one."""
    channels, height, width = images.shape[1:]
    patch, replaces = _patch(params, channels)
    at = top_left(params.row, params.column, (params.size, params.size), (height, width))
    return move_one(images, put_patch(images, patch, replaces, at))


def _patch(params: Params, channels: int) -> tuple[Images, Mask]:
    """Values and which of them replace the image's, both of shape (channels, size, size)."""
    if params.patch == "paper":
        return paper_patch(channels)
    if params.patch == "checker":
        return checker_patch(channels, params.size)
    shape = (channels, params.size, params.size)
    return np.full(shape, 255, np.uint8), np.ones(shape, np.bool_)
