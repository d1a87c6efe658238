"""The virtual model of the meta-split: a throw-away copy, trained shortly on all samples with labels.

Source: paper section 4.2; the public code trains one epoch with a fresh Adam (Q5, Q6). A
virtual model that did not learn ranks at random and lets poison in, so ours can be made to
train longer, is checked, and is tried again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from asd.models._blocks import ImageClassifier
from asd.rng import numpy_generator, torch_generator
from asd.training.augment import draw
from asd.training.images import ImageStore
from asd.training.meta_params import MetaParams
from asd.training.sampling import batch_starts
from asd.types import Labels


@dataclass(frozen=True)
class VirtualRun:
    """One try: where its randomness comes from and how hard it tries."""

    random_seed: int
    epoch: int
    attempt: int

    def rate(self, params: MetaParams) -> float:
        return params.lr * params.retry_lr**self.attempt

    def steps(self, params: MetaParams, sample_count: int) -> int:
        """Optimiser steps: `epochs` passes, at least `min_steps`, more at a retry."""
        per_pass = -(-sample_count // params.batch)
        return int(max(params.epochs * per_pass, params.min_steps) * params.retry_steps**self.attempt)


def virtual_snapshots(
    model: ImageClassifier,
    store: ImageStore,
    labels: Labels,
    params: MetaParams,
    run: VirtualRun,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> Iterator[ImageClassifier]:
    """Train a copy of `model` and yield it at each of `snapshot_steps`; it may be used until the next.

    Only the last `params.layers` layers are stepped; batch norm statistics of all layers move,
    since the copy is in training mode. Plain cross-entropy on all samples with labels as given.
    The model itself is left alone.
    """
    virtual = copy.deepcopy(model)
    virtual.train()
    virtual.requires_grad_(False)
    trained = [
        p for name in virtual.last_layers(params.layers) for p in virtual.get_submodule(name).parameters()
    ]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(trained, lr=run.rate(params), fused=True)
    targets = torch.from_numpy(labels.copy()).to(store.device)
    total = run.steps(params, store.count)
    wanted = snapshot_steps(params, total)
    view_generator = torch_generator(run.random_seed, "virtual-views", run.epoch, run.attempt)
    for step, index in enumerate(_passes(store.count, params.batch, total, run), start=1):
        draws = draw(len(index), store.augment, view_generator)
        with autocast():
            logits = virtual(store.views(index, draws))
        loss = functional.cross_entropy(logits, targets[torch.from_numpy(index).to(store.device)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step in wanted:
            yield virtual
            virtual.train()  # whoever scored it has left it in evaluation mode


def snapshot_steps(params: MetaParams, total: int) -> list[int]:
    """Counts of steps done at which the virtual model is scored, rising, at most `total`.

    The last `params.snapshots` multiples of `snapshot_every` steps before the end, and the end;
    fewer where there are not so many steps.
    """
    return [
        total - back * params.snapshot_every
        for back in reversed(range(params.snapshots))
        if total > back * params.snapshot_every
    ]


def _passes(count: int, batch: int, total: int, run: VirtualRun) -> list[NDArray[np.int64]]:
    """`total` index batches from shuffled passes; the last batch of a pass may be smaller.

    A last batch of one sample is left out: batch norm cannot train on it.
    """
    generator = numpy_generator(run.random_seed, "virtual-order", run.epoch, run.attempt)
    batches: list[NDArray[np.int64]] = []
    while len(batches) < total:
        order = generator.permutation(count)
        batches += [order[start : start + batch] for start in batch_starts(count, batch)]
    return batches[:total]
