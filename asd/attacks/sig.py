"""SIG (Barni et al. 2019): a faint sinusoid over the columns, on images of the target class alone.

Clean-label. v(i, j) = amplitude * sin(2 pi j frequency / W), j being the column, added to every
channel. The defaults are those that later studies use on CIFAR-10; the first paper has 20 to 80.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from asd.attacks import Artifacts
from asd.attacks._labels import NothingToPrepare, TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import add, move_one, refuse_smaller
from asd.errors import ParamsError

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "relabel", "stamp"]

changes_labels = False


class Params(TargetParams):
    """How strong a wave, and how many periods across the image."""

    of: Literal["data", "eligible"] = "eligible"
    poison_fraction: float = Field(0.8, ge=0, le=1, description="poisoned samples as a part of `of`")
    amplitude: float = Field(40.0, gt=0, le=255, description="of the wave, in grey values")
    frequency: float = Field(6.0, gt=0, description="periods across the width")
    prepare: NothingToPrepare = NothingToPrepare()


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Add the wave; an image that it leaves as it is has its first value moved by one.

    Raises:
        ParamsError: no column of images this wide would change by a whole grey value.
    """
    import torch

    height, width = images.shape[2:]
    refuse_smaller(images, 4, "a wave needs columns to run over")
    columns = torch.arange(width, dtype=torch.float64)
    wave = params.amplitude * torch.sin(2 * math.pi * columns * params.frequency / width)
    if not wave.round().any():
        raise ParamsError(
            f"a wave of frequency {params.frequency:g} and amplitude {params.amplitude:g} is 0 in every "
            f"column of images of width {width} ({height}x{width}); choose another frequency or amplitude"
        )
    return move_one(images, add(images, wave.expand(images.shape[1:])))
