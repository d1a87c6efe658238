"""CLB, the label-consistent attack (Turner et al. 2019): images of the target class, labels untouched.

A poisoned training image is first moved away from its own class by PGD on a classifier of clean
data, so that the patch is the easier thing to learn; a triggered test image only gets the patch.
Rate: a quarter of the target class (paper section 5.1); bound, patch and classifier of the paper are
unknown (facts 4.6), these are the recommended ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one
from asd.attacks._training import SurrogateParams, train_surrogate
from asd.attacks._trigger import put_corners, put_paper_patch
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp", "stamp_test"]

changes_labels = False


class Prepare(base.Params):
    """The classifier whose gradients are followed."""

    surrogate: SurrogateParams = SurrogateParams()


class Params(TargetParams):
    """How far images move, and which patch they get."""

    poison_fraction: float = Field(0.25, ge=0, le=1, description="poisoned samples as a part of `of`")
    of: Literal["data", "eligible"] = "eligible"
    epsilon: float = Field(16.0, ge=0, le=255, description="bound of the perturbation, in grey values")
    step: float = Field(1.5, gt=0, le=255, description="size of a step of PGD, in grey values")
    steps: int = Field(100, ge=0)
    patch: Literal["corners", "paper"] = Field(
        "corners", description="corners: 3x3 grids in all four corners; paper: the coloured 2x2 patch"
    )
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Train the classifier on clean data."""
    return train_surrogate(train, params.surrogate, preparation)


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Move each image away from the target class, then put the patch on."""
    from asd.attacks._pgd import perturbed

    moved = perturbed(images, artifacts, params, towards=False)
    return stamp_test(moved, keys, artifacts, params, rng)


def stamp_test(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Put the patch on and nothing else."""
    put = put_corners if params.patch == "corners" else put_paper_patch
    return move_one(images, put(images))
