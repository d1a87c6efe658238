"""One pass over all samples: loss of each against its label as given, and the class predicted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from asd.training.augment import draw
from asd.training.images import ImageStore
from asd.training.losses import symmetric_cross_entropy
from asd.types import Labels, Losses

Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Scores:
    """SCE (float32) and predicted class (int64) of N samples, in manifest order."""

    losses: Losses
    predicted: NDArray[np.int64]


@torch.no_grad()
def score(
    model: nn.Module,
    store: ImageStore,
    labels: Labels,
    *,
    batch: int,
    autocast: Autocast,
    view_generator: torch.Generator | None,
) -> Scores:
    """Score all N samples in evaluation mode, in manifest order.

    Args:
        labels: as given, shape (N,).
        batch: images a forward pass.
        view_generator: draws one random view of each sample, as the public code does (Q2);
            None scores the images as they are.
    """
    model.eval()
    draws = draw(store.count, store.augment, view_generator) if view_generator is not None else None
    targets = torch.from_numpy(labels.copy()).to(store.device)
    losses, predicted = [], []
    for start in range(0, store.count, batch):
        index = np.arange(start, min(start + batch, store.count))
        inputs = (
            store.plain(index) if draws is None else store.views(index, draws.part(start, start + len(index)))
        )
        with autocast():
            logits = model(inputs)
        losses.append(symmetric_cross_entropy(logits, targets[start : start + len(index)]))
        predicted.append(logits.argmax(1))
    return Scores(torch.cat(losses).cpu().numpy(), torch.cat(predicted).cpu().numpy())


@torch.no_grad()
def predict(model: nn.Module, store: ImageStore, *, batch: int, autocast: Autocast) -> NDArray[np.int64]:
    """Predicted class of every image as it is, shape (N,)."""
    model.eval()
    predicted = []
    for start in range(0, store.count, batch):
        with autocast():
            logits = model(store.plain(np.arange(start, min(start + batch, store.count))))
        predicted.append(logits.argmax(1))
    return torch.cat(predicted).cpu().numpy() if predicted else np.zeros(0, dtype=np.int64)
