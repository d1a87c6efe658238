"""One epoch of training: semi-supervised on both pools, or supervised on everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asd.errors import AsdError
from asd.models._blocks import ImageClassifier
from asd.rng import numpy_generator, torch_generator
from asd.semisup import SemiBatch, StepRandomness
from asd.training.augment import draw
from asd.training.images import ImageStore
from asd.training.sampling import batch_starts, index_batches
from asd.types import Labels, Mask

Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class SemiSupervisedEpoch:
    """Settings of one epoch.

    Attributes:
        engine: a semi-supervised plug-in (module) and its params.
        iterations, batch: steps, and rows of the labelled batch (the unlabelled one is as large).
        epoch, epoch_count: 0-based epoch and T3; their ratio drives the ramp of the engine.
        rate: learning rate of each iteration.
    """

    engine: Any
    engine_params: Any
    iterations: int
    batch: int
    epoch: int
    epoch_count: int
    random_seed: int
    rate: Callable[[int], float]


def train_semi_supervised(
    model: ImageClassifier,
    optimizer: torch.optim.Optimizer,
    store: ImageStore,
    labels: Labels,
    in_clean: Mask,
    settings: SemiSupervisedEpoch,
    autocast: Autocast,
) -> float:
    """Train one epoch on the clean pool with labels and the polluted pool without; mean loss.

    A polluted pool that is empty (tiny data, all kept) lends its place to the whole set.

    Raises:
        AsdError: the loss is not finite.
    """
    s = settings
    order = numpy_generator(s.random_seed, "order", s.epoch)
    views = torch_generator(s.random_seed, "views", s.epoch)
    randomness = StepRandomness(
        numpy_generator(s.random_seed, "mix", s.epoch),
        torch_generator(s.random_seed, "mix", s.epoch),
        autocast,
    )
    clean = np.flatnonzero(in_clean)
    polluted = np.flatnonzero(~in_clean) if not in_clean.all() else np.arange(len(in_clean))
    clean_batches = index_batches(clean, s.iterations, s.batch, order)
    polluted_batches = index_batches(polluted, s.iterations, s.batch, order)
    targets = torch.from_numpy(labels.copy()).to(store.device)
    class_count = model.head.out_features
    model.train()
    total = torch.zeros((), device=store.device)
    for i in range(s.iterations):
        _set_rate(optimizer, s.rate(i))
        labelled_index, unlabelled_index = clean_batches[i], polluted_batches[i]
        batch = SemiBatch(
            labelled=store.views(labelled_index, draw(s.batch, store.augment, views)),
            labels=targets[torch.from_numpy(labelled_index).to(store.device)],
            unlabelled=tuple(
                store.views(unlabelled_index, draw(s.batch, store.augment, views))
                for _ in range(s.engine.VIEWS)
            ),
            class_count=class_count,
            progress=(s.epoch + i / s.iterations) / s.epoch_count,
        )
        loss = s.engine.loss(model, batch, s.engine_params, randomness)
        total += _step(optimizer, loss)
    return _mean(total, s.iterations, s.epoch)


def train_supervised(
    model: ImageClassifier,
    optimizer: torch.optim.Optimizer,
    store: ImageStore,
    labels: Labels,
    *,
    batch: int,
    epoch: int,
    random_seed: int,
    rate: Callable[[int, int], float],
    autocast: Autocast,
) -> float:
    """One shuffled pass over all samples with labels as given (facts 5.1); mean loss.

    Args:
        rate: learning rate from (step, steps an epoch).

    Raises:
        AsdError: the loss is not finite.
    """
    order = numpy_generator(random_seed, "order", epoch).permutation(store.count)
    views = torch_generator(random_seed, "views", epoch)
    targets = torch.from_numpy(labels.copy()).to(store.device)
    starts = batch_starts(store.count, batch)
    model.train()
    total = torch.zeros((), device=store.device)
    for step, start in enumerate(starts):
        index = order[start : start + batch]
        _set_rate(optimizer, rate(step, len(starts)))
        with autocast():
            logits = model(store.views(index, draw(len(index), store.augment, views)))
        total += _step(
            optimizer, functional.cross_entropy(logits, targets[torch.from_numpy(index).to(store.device)])
        )
    return _mean(total, len(starts), epoch)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _mean(total: Tensor, count: int, epoch: int) -> float:
    mean = float(total) / count
    if not np.isfinite(mean):
        raise AsdError(f"training broke off: the loss of epoch {epoch} is {mean}; try a lower learning rate")
    return mean
