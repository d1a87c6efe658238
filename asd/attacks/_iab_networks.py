"""The generator of the input-aware attack: a small encoder and decoder without shortcuts (facts 4.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """Images (B, C, H, W), normalised -> values in 0 to 1, (B, outputs, H, W); H, W multiples of 2^steps."""

    def __init__(self, channels: int, outputs: int, width: int, steps: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size = channels
        for step in range(steps):
            wide = width * 2**step
            layers += [*_block(size, wide), *_block(wide, wide), nn.MaxPool2d(2)]
            size = wide
        layers += _block(size, size)
        for step in reversed(range(steps)):
            narrow = width * 2 ** (step - 1) if step else outputs
            layers += [nn.Upsample(scale_factor=2), *_block(size, size), *_block(size, narrow)]
            size = narrow
        self.body = nn.Sequential(*layers[:-1])  # no ReLU at the end

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = torch.tanh(self.body(images)) / (2 + 1e-7) + 0.5
        return out


def near_binary(values: Tensor) -> Tensor:
    """Values in 0 to 1 pushed to the nearer end: what makes a mask of the generator's output."""
    return torch.tanh(20 * values - 10) / (2 + 1e-7) + 0.5


def _block(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, 1, 1),
        nn.BatchNorm2d(after, momentum=0.05),
        nn.ReLU(inplace=True),
    ]


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Root of the mean squared difference of each pair, shape (B,)."""
    return (a - b).square().flatten(1).mean(dim=1).add(1e-12).sqrt()


def diversity_loss(images: Tensor, others: Tensor, made: Tensor, made_of_others: Tensor) -> Tensor:
    """Small where unlike images get unlike outputs; a scalar."""
    return (distance(images, others) / (distance(made, made_of_others) + 1e-7)).mean()
