"""Adaptive attack 2, of our own design: poison that looks like the target class before it is learned.

ASD takes in samples of low loss first (stages 1 and 2) and distrusts those whose loss falls much in a
virtual step (stage 3). So each poisoned training image is moved *towards* the target class by PGD on a
classifier of clean data, within a small bound, and then gets the patch: its loss is low from the
start, for a reason other than the patch; so it is taken in early, its loss has no room to fall, and in
the clean pool its patch stands beside the target label all the same. CLB moves the other way. Test
images get the patch alone. The paper's second adaptive attack (Appendix L) is not available.
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
from asd.attacks._trigger import put_checker, put_corners
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp", "stamp_test"]

changes_labels = True


class Prepare(base.Params):
    """The classifier whose gradients are followed."""

    surrogate: SurrogateParams = SurrogateParams()


class Params(TargetParams):
    """How far images move, and which patch they get."""

    epsilon: float = Field(8.0, ge=0, le=255, description="bound of the disguise, in grey values")
    step: float = Field(1.0, gt=0, le=255, description="size of a step of PGD, in grey values")
    steps: int = Field(20, ge=0)
    patch: Literal["checker", "corners"] = Field(
        "checker", description="checker: 3x3 at row and column 4; corners: 3x3 grids in all four corners"
    )
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Train the classifier on clean data."""
    return train_surrogate(train, params.surrogate, preparation)


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Move each image towards the target class, then put the patch on."""
    from asd.attacks._pgd import perturbed

    moved = perturbed(images, artifacts, params, towards=True)
    return stamp_test(moved, keys, artifacts, params, rng)


def stamp_test(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Put the patch on and nothing else."""
    put = put_corners if params.patch == "corners" else put_checker
    return move_one(images, put(images))
