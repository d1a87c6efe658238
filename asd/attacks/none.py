"""No attack: nothing is planted and there is no attack success to measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts
from asd.attacks._labels import NothingToPrepare
from asd.types import Labels, Mask

if TYPE_CHECKING:
    import torch

changes_labels = False


class Params(base.Params):
    """Nothing to choose."""

    poison_fraction: float = Field(0.0, ge=0, le=0, description="always 0")
    count: Literal["exact"] = "exact"
    of: Literal["data"] = "data"
    prepare: NothingToPrepare = NothingToPrepare()


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """A plain copy."""
    return images.clone()


def relabel(labels: Labels, params: Params, class_count: int) -> Labels:
    """The labels as they are."""
    return labels.copy()


def counts_for_asr(labels: Labels, params: Params) -> Mask:
    """None."""
    return np.zeros(len(labels), dtype=np.bool_)
