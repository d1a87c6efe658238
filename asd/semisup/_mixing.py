"""MixUp and interleaving, which MixMatch and ReMixMatch share."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor


def mix_up(inputs: Tensor, targets: Tensor, weight: float, order: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` of each row and 1-weight of the row that `order` pairs it with."""
    mixed = torch.lerp(inputs[order], inputs, weight)
    return mixed, torch.lerp(targets[order], targets, weight)


def sharpen(probabilities_BK: Tensor, temperature: float) -> Tensor:
    """q^(1/T), renormalised."""
    sharp = probabilities_BK ** (1 / temperature)
    return sharp / sharp.sum(1, keepdim=True)


def forward_interleaved(model: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """Logits of all rows from forward passes of `size` interleaved rows."""
    chunks = interleave(list(torch.split(inputs, size)))
    return torch.cat(interleave([model(chunk) for chunk in chunks]))


def interleave(chunks: list[Tensor]) -> list[Tensor]:
    """Swap group i of the first chunk with group i of chunk i; its own inverse.

    With n chunks of B rows, each chunk is cut in n groups (the last ones take what is left over:
    21, 21, 22 for 64 rows in three). So each forward pass sees a like mixture, which keeps batch
    statistics honest.
    """
    count, size = len(chunks), len(chunks[0])
    bounds = [0]
    for group in range(count):
        bounds.append(bounds[-1] + size // count + (1 if group >= count - size % count else 0))
    groups = [[chunk[a:b] for a, b in itertools.pairwise(bounds)] for chunk in chunks]
    for i in range(1, count):
        groups[0][i], groups[i][i] = groups[i][i], groups[0][i]
    return [torch.cat(parts) for parts in groups]
