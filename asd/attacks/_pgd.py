"""Projected gradient steps on images of a frozen classifier, in 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from asd.attacks import Artifacts
    from asd.models._blocks import ImageClassifier
    from asd.training.images import Normalisation


_BATCH = 256


class PgdParams(Protocol):
    """How far images move (bound and step in grey values, number of steps), and on which classifier."""

    @property
    def target_label(self) -> int: ...
    @property
    def prepare(self) -> Any: ...
    @property
    def epsilon(self) -> float: ...
    @property
    def step(self) -> float: ...
    @property
    def steps(self) -> int: ...


def normalised(images_01: Tensor, normalisation: Normalisation) -> Tensor:
    """What the classifier sees of images in 0 to 1."""
    import torch

    mean = torch.tensor(normalisation.mean, device=images_01.device).view(1, -1, 1, 1)
    std = torch.tensor(normalisation.std, device=images_01.device).view(1, -1, 1, 1)
    return (images_01 - mean) / std


def moved_by_loss(
    network: ImageClassifier,
    normalisation: Normalisation,
    images_01: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    step: float,
    steps: int,
    towards: bool = False,
) -> Tensor:
    """Images in 0 to 1 that the classifier takes less and less for their label, within `epsilon`.

    PGD in the maximum norm on the cross-entropy of the label, no random start.

    Args:
        towards: the other way round: taken more and more for the label.

    Source: Turner et al. 2019, as the CLB code does it.
    """
    import torch
    from torch.nn import functional

    signed_step = -step if towards else step
    moved = images_01.clone()
    for _ in range(steps):
        moved.requires_grad_(True)
        loss = functional.cross_entropy(network(normalised(moved, normalisation)), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        with torch.no_grad():
            moved = moved + signed_step * gradient.sign()
            moved = images_01 + (moved - images_01).clamp(-epsilon, epsilon)
            moved = moved.clamp(0, 1)
    return moved.detach()


def perturbed(images: Tensor, artifacts: Artifacts, params: PgdParams, *, towards: bool) -> Tensor:
    """uint8 images moved away from the target class, or towards it; see `moved_by_loss`.

    Raises:
        ParamsError: images with other channels than the classifier was trained on.
    """
    import torch

    from asd.attacks._pixels import refuse_channels, to_uint8
    from asd.attacks._training import load_surrogate

    network, normalisation, device = load_surrogate(artifacts, params.prepare.surrogate)
    refuse_channels(images, len(normalisation.mean))
    done = [images[:0]]
    for part in torch.split(images, _BATCH):
        moved = moved_by_loss(
            network,
            normalisation,
            part.to(device, torch.float32) / 255,
            torch.full((len(part),), params.target_label, device=device),
            epsilon=params.epsilon / 255,
            step=params.step / 255,
            steps=params.steps,
            towards=towards,
        )
        done.append(to_uint8(moved.cpu() * 255))
    return torch.cat(done)
