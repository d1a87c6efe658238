"""Adaptive attack 1 of the paper (section 5.5, Appendix K): a universal trigger of small gradient.

The meta-split keeps samples whose loss falls little in one virtual step, and the fall follows the
gradient; so the attacker looks for one additive pattern, within a bound, for which the gradient of
the training loss on triggered samples with the target label is as small as it can be, for a
classifier of clean data: x' = clip(x + delta). Sign steps as in PGD: 200 of 0.001, bound 32/255.
The paper says neither norm nor layers (facts 4.9): here the squared L2 norm over the last layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._labels import PreparedTargetParams, refuse_target
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import add, move_one, refuse_channels
from asd.attacks._training import SurrogateParams, load_surrogate, train_surrogate
from asd.errors import ParamsError
from asd.types import DataView

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier
    from asd.training.images import Normalisation

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp"]

changes_labels = True


class Prepare(base.Params):
    """The classifier and the search for the pattern."""

    target_label: int = Field(3, ge=0, description="that of the attack")
    surrogate: SurrogateParams = SurrogateParams()
    objective: Literal["gradient", "loss"] = Field(
        "gradient", description="gradient: its squared L2 norm, by double backward; loss: the loss, cheaper"
    )
    layers: int = Field(3, ge=1, description="last layers of the classifier whose gradient counts")
    iterations: int = Field(200, ge=1)
    step: float = Field(0.001, gt=0, le=1, description="of the pattern's values, in 0 to 1")
    bound: float = Field(32 / 255, gt=0, le=1, description="largest value of the pattern, in 0 to 1")
    batch: int = Field(128, ge=2, description="samples an iteration")


class Params(PreparedTargetParams):
    """How many samples are poisoned."""

    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Train the classifier, then search the pattern; gives `delta`, float32 (C, H, W) in 0 to 1."""
    refuse_target(params.target_label, train)
    trained = train_surrogate(train, params.surrogate, preparation)
    network, normalisation, device = load_surrogate(trained, params.surrogate)
    return {"delta": _search(train, params, preparation, network, normalisation, device)}


def _search(
    train: DataView,
    params: Prepare,
    preparation: Preparation,
    network: ImageClassifier,
    normalisation: Normalisation,
    device: torch.device,
) -> torch.Tensor:
    import numpy as np
    import torch

    from asd.rng import numpy_generator
    from asd.training.sampling import index_batches

    others = np.flatnonzero(train.labels != params.target_label)
    batches = index_batches(
        others, params.iterations, params.batch, numpy_generator(preparation.seed, "adaptive_gradient")
    )
    wanted = [
        weight
        for name in network.last_layers(min(params.layers, len(network.layer_names)))
        for weight in network.get_submodule(name).parameters()
    ]
    for weight in wanted:
        weight.requires_grad_(params.objective == "gradient")
    delta = torch.zeros(train.images.shape[1:], device=device)
    for number, rows in enumerate(batches, 1):
        images = torch.from_numpy(train.images[rows]).to(device, torch.float32) / 255
        delta.requires_grad_(True)
        value = objective(network, normalisation, images, delta, params, wanted)
        (gradient,) = torch.autograd.grad(value, delta)
        with torch.no_grad():
            delta = (delta - params.step * gradient.sign()).clamp(-params.bound, params.bound)
        if number % 20 == 0 or number == params.iterations:
            preparation.reporter.progress(
                number, params.iterations, "pattern step", objective=float(value.detach())
            )
    return delta.detach().cpu()


def objective(
    network: ImageClassifier,
    normalisation: Normalisation,
    images_01: torch.Tensor,
    delta: torch.Tensor,
    params: Prepare,
    weights: Sequence[torch.nn.Parameter],
) -> torch.Tensor:
    """What the pattern is to make small, for one batch in 0 to 1; a scalar."""
    import torch
    from torch.nn import functional

    from asd.attacks._pgd import normalised

    triggered = (images_01 + delta).clamp(0, 1)
    labels = torch.full((len(images_01),), params.target_label, device=images_01.device)
    loss = functional.cross_entropy(network(normalised(triggered, normalisation)), labels)
    if params.objective == "loss":
        return loss
    gradients = torch.autograd.grad(loss, list(weights), create_graph=True)
    return torch.stack([g.square().sum() for g in gradients]).sum()


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Add the pattern."""
    delta = artifacts["delta"]
    refuse_channels(images, len(delta))
    if delta.shape != images.shape[1:]:
        raise ParamsError(
            f"the pattern was made for {delta.shape[1]}x{delta.shape[2]} pixels, "
            f"got {images.shape[2]}x{images.shape[3]}"
        )
    return move_one(images, add(images, delta * 255))
