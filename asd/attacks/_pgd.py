"""Projected gradient steps on images of a frozen classifier, in 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from asd.models._blocks import ImageClassifier
    from asd.training.images import Normalisation


def normalised(images_01: Tensor, normalisation: Normalisation) -> Tensor:
    """What the classifier sees of images in 0 to 1."""
    import torch

    mean = torch.tensor(normalisation.mean, device=images_01.device).view(1, -1, 1, 1)
    std = torch.tensor(normalisation.std, device=images_01.device).view(1, -1, 1, 1)
    return (images_01 - mean) / std


def away_from_own_class(
    network: ImageClassifier,
    normalisation: Normalisation,
    images_01: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    step: float,
    steps: int,
) -> Tensor:
    """Images in 0 to 1 that the classifier takes less and less for their label, within `epsilon`.

    Untargeted PGD in the maximum norm on the cross-entropy of the label, no random start.
    Source: Turner et al. 2019, as the CLB code does it.
    """
    import torch
    from torch.nn import functional

    moved = images_01.clone()
    for _ in range(steps):
        moved.requires_grad_(True)
        loss = functional.cross_entropy(network(normalised(moved, normalisation)), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        with torch.no_grad():
            moved = moved + step * gradient.sign()
            moved = images_01 + (moved - images_01).clamp(-epsilon, epsilon)
            moved = moved.clamp(0, 1)
    return moved.detach()
