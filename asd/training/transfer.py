"""A first model from the seeds of another data set (paper section 5.4, transfer-based ASD).

Semi-supervised training with the seeds as labelled pool and the whole training set without
labels; then the backbone is frozen and the linear layer is trained on the whole training set
with labels as given. What the paper leaves open: docs/decisions/0032-transferred-seeds.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asd import store
from asd.errors import AsdError
from asd.params import TrainingParams, Variant, check
from asd.progress import Reporter
from asd.registry import Registry
from asd.rng import numpy_generator, torch_generator
from asd.seed_params import TransferParams
from asd.semisup import auxiliary_of
from asd.training import device as numeric
from asd.training.augment import draw
from asd.training.epochs import SemiSupervisedEpoch, train_semi_supervised
from asd.training.images import ImageStore, given_normalisation, measure_normalisation
from asd.training.losses import symmetric_cross_entropy
from asd.training.sampling import batch_starts
from asd.training.state import Extras, TrainingState, facts_of, fresh_state, load_state, save_state
from asd.training.weights import StartingWeights, start_from
from asd.types import DataView


@dataclass(frozen=True)
class Given:
    """What a transfer starts from.

    Attributes:
        view: the training samples as given, and behind them the seeds.
        count: N, how many are training samples.
        model: the network.
        weights: what it starts from; None: as built.
        random_seed: of this trial.
        checkpoint: folder that is replaced after each epoch; a stopped run goes on from it.
        plugins: the workspace's own, or None.
    """

    view: DataView
    count: int
    model: Variant
    training: TrainingParams
    params: TransferParams
    weights: StartingWeights | None
    random_seed: int
    checkpoint: Path
    plugins: Path | None
    reporter: Reporter


@dataclass(frozen=True)
class Transferred:
    """Weights by name, and the facts from which `load_classifier` rebuilds the network."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def transfer(given: Given) -> Transferred:
    """Train backbone, then head; equal bytes for equal inputs, also after a stop."""
    return _Run(given).all()


class _Run:
    def __init__(self, given: Given) -> None:
        self.given = given
        training = given.training
        self.mode = numeric.choose(training.precision, training.deterministic, None, training.threads)
        self.device = numeric.apply(self.mode)
        self.autocast = functools.partial(numeric.autocast, self.mode)
        normalisation = given_normalisation(training)
        if normalisation is None:
            normalisation = measure_normalisation(given.view.images[: given.count])
        self.images = ImageStore(given.view.images, normalisation, training.augment, self.device)
        self.engine = Registry("semisup", given.plugins).get(given.params.engine)
        where = "seeds.transfer.engine_params"
        self.engine_params = check(self.engine.Params, given.params.engine_params, where)
        self.state = self._fresh()

    def all(self) -> Transferred:
        self._train_backbone()
        self._train_head()
        network = self.state.evaluated
        tensors = {name: value.detach().cpu() for name, value in network.state_dict().items()}
        return Transferred(tensors, self._facts())

    def _fresh(self) -> TrainingState:
        given = self.given
        generator = torch_generator(given.random_seed, "transfer", "weights")
        view = given.view
        network = given.model.module.build(
            given.model.params, view.images.shape[1], view.class_count, generator
        )
        if given.weights is not None:
            start_from(network, given.weights, view.class_names)
        network = network.to(self.device, memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(network.parameters(), lr=given.params.lr, fused=True)
        extras = Extras(functools.partial(auxiliary_of, self.engine, self.engine_params))
        beside = torch_generator(given.random_seed, "transfer", "auxiliary")
        return fresh_state(network, optimizer, extras, view.class_count, beside)

    def _train_backbone(self) -> None:
        given, params = self.given, self.given.params
        store.put_back(given.checkpoint)
        if given.checkpoint.is_dir():
            load_state(given.checkpoint, self.state)
            given.reporter.say(f"resumed after epoch {self.state.next_epoch} of an interrupted run")
        is_seed = np.arange(len(given.view)) >= given.count
        for epoch in range(self.state.next_epoch, params.epochs):
            settings = SemiSupervisedEpoch(
                engine=self.engine,
                engine_params=self.engine_params,
                iterations=params.iterations,
                batch=params.batch,
                epoch=epoch,
                epoch_count=params.epochs,
                random_seed=given.random_seed,
                rate=lambda iteration: params.lr,
            )
            loss = train_semi_supervised(
                self.state, self.images, given.view.labels, is_seed, settings, self.autocast
            )
            self.state.next_epoch = epoch + 1
            with store.atomic_directory(given.checkpoint) as folder:
                save_state(folder, self.state, self._facts(), {"numeric": self.mode.as_json()})
            given.reporter.progress(epoch + 1, params.epochs, "transfer epoch", loss=loss)

    def _train_head(self) -> None:
        """The linear layer alone, on the N training samples; batch statistics stay as they are."""
        given, params = self.given, self.given.params.linear
        network = self.state.evaluated.eval()
        optimizer = torch.optim.Adam(network.head.parameters(), lr=params.lr)
        labels = torch.from_numpy(given.view.labels[: given.count].copy()).to(self.device)
        for epoch in range(params.epochs):
            order = numpy_generator(given.random_seed, "transfer", "order", epoch).permutation(given.count)
            views = torch_generator(given.random_seed, "transfer", "views", epoch)
            total = 0.0
            starts = batch_starts(given.count, params.batch)
            for start in starts:
                index = order[start : start + params.batch]
                pictures = self.images.views(index, draw(len(index), self.images.augment, views))
                with torch.no_grad(), self.autocast():
                    features = network.features(pictures).float()
                logits = network.head(features)
                wanted = labels[torch.from_numpy(index).to(self.device)]
                loss = symmetric_cross_entropy(logits, wanted).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += float(loss.detach())
            if not np.isfinite(total):
                raise AsdError(
                    f"the loss of the linear layer is {total}; try a lower seeds.transfer.linear.lr"
                )
            given.reporter.progress(epoch + 1, params.epochs, "linear epoch", loss=total / len(starts))

    def _facts(self) -> dict[str, Any]:
        return facts_of(self.given.model, self.given.view, self.images.normalisation, self.mode)
