"""MixMatch as ASD runs it: guess and sharpen, mix everything, interleave, ramped consistency.

Source: paper section 4.1 and Berthelot et al. 2019; constants of the public ASD code.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from asd.params import Params as BaseParams
from asd.semisup import SemiBatch, StepRandomness
from asd.semisup._mixing import forward_interleaved, mix_up, sharpen
from asd.training.losses import mean_squared_probability_error, soft_cross_entropy

VIEWS = 2


class Params(BaseParams):
    """MixMatch's constants."""

    temperature: float = Field(
        0.5, ge=0.1, description="T of the sharpening; powers of small shares underflow below 0.1"
    )
    mix: float = Field(0.75, gt=0, description="both parameters of the Beta distribution")
    lambda_u: float = Field(15, ge=0, description="weight of the consistency loss at the end of its ramp")
    interleave: bool = Field(
        True,
        description="three forward passes of B with interleaved rows, as published; false: one of 3B rows",
    )


def loss(model: nn.Module, batch: SemiBatch, params: Params, randomness: StepRandomness) -> Tensor:
    """Lx + lambda_u(progress) * Lu of one step; a scalar.

    The guess passes run in training mode without gradients: they use batch statistics and
    update the running ones (Q7).
    """
    targets = functional.one_hot(batch.labels, batch.class_count).float()
    guess = guess_labels(model, batch.unlabelled, params.temperature, randomness)
    inputs = torch.cat([batch.labelled, *batch.unlabelled])
    all_targets = torch.cat([targets, *[guess] * len(batch.unlabelled)])
    weight = randomness.numpy.beta(params.mix, params.mix)
    order = torch.randperm(len(inputs), generator=randomness.torch).to(inputs.device)
    mixed, mixed_targets = mix_up(inputs, all_targets, max(weight, 1 - weight), order)
    size = len(batch.labelled)
    with randomness.autocast():
        logits = forward_interleaved(model, mixed, size) if params.interleave else model(mixed)
    labelled_loss = soft_cross_entropy(logits[:size], mixed_targets[:size])
    consistency = mean_squared_probability_error(logits[size:], mixed_targets[size:])
    return labelled_loss + unlabelled_weight(params.lambda_u, batch.progress) * consistency


def unlabelled_weight(lambda_u: float, progress: float) -> float:
    """lambda_u ramped linearly from 0 to its full value over the whole run (progress 0 to 1)."""
    return lambda_u * min(max(progress, 0.0), 1.0)


@torch.no_grad()
def guess_labels(
    model: nn.Module, views: tuple[Tensor, ...], temperature: float, randomness: StepRandomness
) -> Tensor:
    """Mean prediction over the views, sharpened: q^(1/T) renormalised, shape (B, K)."""
    with randomness.autocast():
        mean = torch.stack([functional.softmax(model(view), dim=1) for view in views]).mean(0)
    return sharpen(mean, temperature)
