"""What every semi-supervised engine promises (`asd.semisup`)."""

from __future__ import annotations

import contextlib
import functools
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from asd.models.small_resnet import Params as NetworkParams
from asd.models.small_resnet import build
from asd.params import Params
from asd.plugin_checks import require
from asd.semisup import SemiBatch, StepRandomness, auxiliary_of, step_loss, views_of
from asd.training.state import Extras, TrainingState, fresh_state, load_state, save_state

CLASSES, BATCH, SIDE = 4, 8, 8


@dataclass(frozen=True)
class Case:
    """One engine with its params."""

    plugin: str
    engine: ModuleType
    params: Any

    def batch(self, progress: float = 0.5) -> SemiBatch:
        """Eight labelled pictures and the views that it asks for of others, always the same."""
        generator = torch.Generator().manual_seed(3)
        views = views_of(self.engine, self.params)

        def pictures(count: int) -> torch.Tensor:
            return torch.rand(count, 3, SIDE, SIDE, generator=generator)

        labelled, others = pictures(BATCH), BATCH * views.ratio
        weak = tuple(pictures(others) for _ in range(views.weak))
        strong = tuple(pictures(others) for _ in range(views.strong))
        return SemiBatch(labelled, torch.arange(BATCH) % CLASSES, weak, CLASSES, progress, strong)

    def state(self) -> TrainingState:
        """A fresh small network, and what the engine has beside it."""
        network_params = NetworkParams(widths=(4, 8), strides=(1, 2))
        network = build(network_params, 3, CLASSES, torch.Generator().manual_seed(0))
        extras = Extras(functools.partial(auxiliary_of, self.engine, self.params))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        state = fresh_state(network, optimizer, extras, CLASSES, torch.Generator().manual_seed(1))
        state.train()
        return state

    def loss(self, batch: SemiBatch, state: TrainingState, seed: int = 5) -> torch.Tensor:
        """The loss of one step."""
        randomness = StepRandomness(
            np.random.default_rng(seed), torch.Generator().manual_seed(seed), contextlib.nullcontext
        )
        return step_loss(self.engine, state.model, batch, self.params, randomness, state.auxiliary)

    def train(self, state: TrainingState, seeds: tuple[int, ...]) -> None:
        """A step for each seed."""
        for seed in seeds:
            state.optimizer.zero_grad(set_to_none=True)
            self.loss(self.batch(), state, seed).backward()  # type: ignore[no-untyped-call]
            state.optimizer.step()


def is_an_engine(case: Case) -> None:
    """It has Params, VIEWS or views (1 weak view or more) and loss."""
    missing = [name for name in ("Params", "loss") if not hasattr(case.engine, name)]
    if not hasattr(case.engine, "VIEWS") and not hasattr(case.engine, "views"):
        missing.append("VIEWS")
    require(not missing, f"it has no {', '.join(missing)}")
    require(issubclass(case.engine.Params, Params), "Params must be a subclass of asd.params.Params")
    views = views_of(case.engine, case.params)
    whole = all(isinstance(n, int) for n in (views.weak, views.strong, views.ratio))
    require(
        whole and views.weak >= 1 and views.strong >= 0 and views.ratio >= 1,
        f"it asks for {views!r}; wanted 1 weak view or more, and a ratio of 1 or more",
    )


def gives_one_finite_number(case: Case) -> None:
    """The loss is one finite float at the start, in the middle and at the end of a run."""
    for progress in (0.0, 0.5, 1.0):
        found = case.loss(case.batch(progress), case.state())
        require(found.shape == (), f"the loss has shape {tuple(found.shape)}, wanted one number")
        value = found.item()
        require(math.isfinite(value), f"the loss is {value} at progress {progress}")


def reaches_every_weight(case: Case) -> None:
    """Its gradient reaches every weight of the network, and of what it trains beside it."""
    state = case.state()
    case.loss(case.batch(), state).backward()  # type: ignore[no-untyped-call]
    weights = [*state.model.named_parameters()]
    if state.auxiliary is not None:
        weights += state.auxiliary.named_parameters(prefix="auxiliary")
    without = [name for name, weight in weights if weight.grad is None]
    require(not without, f"no gradient for {', '.join(without[:5])}")


def gives_the_same_loss_for_the_same_seed(case: Case) -> None:
    """Equal generators give an equal loss."""
    first, second = (case.loss(case.batch(), case.state()).item() for _ in range(2))
    require(first == second, f"{first} and {second}; take random numbers from `randomness` alone")


def leaves_its_batch_alone(case: Case) -> None:
    """The batch is as it was afterwards."""
    batch, before = case.batch(), case.batch()
    case.loss(batch, case.state())
    same = torch.equal(batch.labelled, before.labelled) and torch.equal(batch.labels, before.labels)
    same &= all(torch.equal(a, b) for a, b in zip(batch.unlabelled, before.unlabelled, strict=True))
    same &= all(torch.equal(a, b) for a, b in zip(batch.strong, before.strong, strict=True))
    require(same, "loss changed its batch")


def goes_on_from_a_checkpoint(case: Case) -> None:
    """Two steps, a checkpoint and two more end with the weights of four steps."""
    whole, begun, resumed = case.state(), case.state(), case.state()
    case.train(whole, (1, 2, 3, 4))
    case.train(begun, (1, 2))
    with tempfile.TemporaryDirectory(prefix="asd-check-") as folder:
        save_state(Path(folder), begun, {}, {})
        load_state(Path(folder), resumed)
    case.train(resumed, (3, 4))
    wanted, found = whole.model.state_dict(), resumed.model.state_dict()
    lost = [name for name, value in wanted.items() if not torch.equal(value, found[name])]
    require(
        not lost,
        f"{', '.join(lost[:3])} differ; keep what counts from step to step in buffers of `auxiliary`",
    )


def ships_nothing_of_its_own(case: Case) -> None:
    """What it trains beside the network is no part of the network."""
    state = case.state()
    before = set(state.model.state_dict())
    case.train(state, (1,))
    added = sorted(set(state.model.state_dict()) - before)
    require(not added, f"loss added {', '.join(added[:3])} to the network; put it into `auxiliary`")


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_an_engine,
    gives_one_finite_number,
    reaches_every_weight,
    gives_the_same_loss_for_the_same_seed,
    leaves_its_batch_alone,
    goes_on_from_a_checkpoint,
    ships_nothing_of_its_own,
)
