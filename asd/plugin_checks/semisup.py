"""What every semi-supervised engine promises (`asd.semisup`)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch

from asd.models.small_resnet import Params as NetworkParams
from asd.models.small_resnet import build
from asd.params import Params
from asd.plugin_checks import require
from asd.semisup import SemiBatch, StepRandomness

CLASSES, BATCH, SIDE = 4, 8, 8


@dataclass(frozen=True)
class Case:
    """One engine with its params."""

    plugin: str
    engine: ModuleType
    params: Any

    def batch(self, progress: float = 0.5) -> SemiBatch:
        """Eight labelled pictures and views of eight others, always the same."""
        generator = torch.Generator().manual_seed(3)
        pictures = [
            torch.rand(BATCH, 3, SIDE, SIDE, generator=generator) for _ in range(1 + self.engine.VIEWS)
        ]
        labels = torch.arange(BATCH) % CLASSES
        return SemiBatch(pictures[0], labels, tuple(pictures[1:]), CLASSES, progress)

    def loss(self, batch: SemiBatch, seed: int = 5) -> tuple[torch.Tensor, torch.nn.Module]:
        """The loss of a fresh small network on a batch, and the network."""
        network_params = NetworkParams(widths=(4, 8), strides=(1, 2))
        network = build(network_params, 3, CLASSES, torch.Generator().manual_seed(0)).train()
        randomness = StepRandomness(
            np.random.default_rng(seed), torch.Generator().manual_seed(seed), contextlib.nullcontext
        )
        return self.engine.loss(network, batch, self.params, randomness), network


def is_an_engine(case: Case) -> None:
    """It has Params, VIEWS (1 or more) and loss."""
    missing = [name for name in ("Params", "VIEWS", "loss") if not hasattr(case.engine, name)]
    require(not missing, f"it has no {', '.join(missing)}")
    require(issubclass(case.engine.Params, Params), "Params must be a subclass of asd.params.Params")
    views = case.engine.VIEWS
    require(isinstance(views, int) and views >= 1, f"VIEWS is {views!r}, wanted 1 or more")


def gives_one_finite_number(case: Case) -> None:
    """The loss is one finite float at the start, in the middle and at the end of a run."""
    for progress in (0.0, 0.5, 1.0):
        found, _ = case.loss(case.batch(progress))
        require(found.shape == (), f"the loss has shape {tuple(found.shape)}, wanted one number")
        value = found.item()
        require(math.isfinite(value), f"the loss is {value} at progress {progress}")


def reaches_every_weight(case: Case) -> None:
    """Its gradient reaches every weight of the network."""
    found, network = case.loss(case.batch())
    found.backward()  # type: ignore[no-untyped-call]
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    require(not without, f"no gradient for {', '.join(without[:5])}")


def gives_the_same_loss_for_the_same_seed(case: Case) -> None:
    """Equal generators give an equal loss."""
    first, second = (case.loss(case.batch())[0].item() for _ in range(2))
    require(first == second, f"{first} and {second}; take random numbers from `randomness` alone")


def leaves_its_batch_alone(case: Case) -> None:
    """The batch is as it was afterwards."""
    batch, before = case.batch(), case.batch()
    case.loss(batch)
    same = torch.equal(batch.labelled, before.labelled) and torch.equal(batch.labels, before.labels)
    same &= all(torch.equal(a, b) for a, b in zip(batch.unlabelled, before.unlabelled, strict=True))
    require(same, "loss changed its batch")


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_an_engine,
    gives_one_finite_number,
    reaches_every_weight,
    gives_the_same_loss_for_the_same_seed,
    leaves_its_batch_alone,
)
