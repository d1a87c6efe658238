"""One epoch of training: semi-supervised on both pools, or supervised on everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from asd.errors import AsdError
from asd.models._blocks import ImageClassifier
from asd.rng import numpy_generator, torch_generator
from asd.semisup import SemiBatch, StepRandomness, Views, step_loss, views_of
from asd.training.augment import draw
from asd.training.images import ImageStore
from asd.training.sampling import batch_starts, index_batches
from asd.training.state import TrainingState
from asd.training.strong import StrongParams, augment_strongly, draw_strong
from asd.types import Labels, Mask

Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class SemiSupervisedEpoch:
    """Settings of one epoch.

    Attributes:
        engine: a semi-supervised plug-in (module) and its params.
        iterations, batch: steps, and rows of the labelled batch (the unlabelled one is as large, or
            a multiple where the engine asks for it).
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
    state: TrainingState,
    store: ImageStore,
    labels: Labels,
    in_clean: Mask,
    settings: SemiSupervisedEpoch,
    autocast: Autocast,
) -> float:
    """Train one epoch on the clean pool with labels and the polluted pool without; mean loss.

    A polluted pool that is empty (tiny data, all kept) lends its place to the whole set. What the
    state holds beside the network is trained and averaged with it.

    Raises:
        AsdError: the loss is not finite.
    """
    s = settings
    order = numpy_generator(s.random_seed, "order", s.epoch)
    randomness = StepRandomness(
        numpy_generator(s.random_seed, "mix", s.epoch),
        torch_generator(s.random_seed, "mix", s.epoch),
        autocast,
    )
    wanted = views_of(s.engine, s.engine_params)
    drawn = _Views(store, wanted, s)
    clean = np.flatnonzero(in_clean)
    polluted = np.flatnonzero(~in_clean) if not in_clean.all() else np.arange(len(in_clean))
    clean_batches = index_batches(clean, s.iterations, s.batch, order)
    polluted_batches = index_batches(polluted, s.iterations, s.batch * wanted.ratio, order)
    targets = torch.from_numpy(labels.copy()).to(store.device)
    class_count = state.model.head.out_features
    state.train()
    total = torch.zeros((), device=store.device)
    for i in range(s.iterations):
        _set_rate(state.optimizer, s.rate(i))
        labelled_index, unlabelled_index = clean_batches[i], polluted_batches[i]
        batch = SemiBatch(
            labelled=drawn.weak(labelled_index),
            labels=targets[torch.from_numpy(labelled_index).to(store.device)],
            unlabelled=tuple(drawn.weak(unlabelled_index) for _ in range(wanted.weak)),
            class_count=class_count,
            progress=(s.epoch + i / s.iterations) / s.epoch_count,
            strong=tuple(drawn.strong(unlabelled_index) for _ in range(wanted.strong)),
        )
        loss = step_loss(s.engine, state.model, batch, s.engine_params, randomness, state.auxiliary)
        total += _step(state.optimizer, loss)
        if state.average is not None:
            state.average.update_parameters(state.model)
    return _mean(total, s.iterations, s.epoch)


class _Views:
    """Weak and strong views of one epoch; the draws of each kind depend on the epoch alone."""

    def __init__(self, store: ImageStore, wanted: Views, settings: SemiSupervisedEpoch) -> None:
        self._store = store
        self._augment = wanted.augment or StrongParams()
        self._weak = torch_generator(settings.random_seed, "views", settings.epoch)
        self._strong = torch_generator(settings.random_seed, "strong-views", settings.epoch)

    def weak(self, index: NDArray[np.int64]) -> Tensor:
        """Normalised, cropped and flipped images."""
        return self._store.views(index, draw(len(index), self._store.augment, self._weak))

    def strong(self, index: NDArray[np.int64]) -> Tensor:
        """The same, strongly augmented in between."""
        cropped = self._store.cropped(index, draw(len(index), self._store.augment, self._strong))
        draws = draw_strong(len(index), self._augment, self._strong)
        return self._store.normalisation.apply(augment_strongly(cropped, draws))


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
