"""No defense: plain supervised training on everything, in stage 1; the undefended twin.

Source: paper section 5.1; constants of the public DBD code (facts 5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from asd.defenses._work import StageWork
from asd.params import Params as BaseParams

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier
    from asd.training.stage_run import StageRun


class CommonParams(BaseParams):
    """Nothing is shared between the stages."""


class Stage1Params(BaseParams):
    """The whole training."""

    epochs: int = Field(200, ge=1)
    batch: int = Field(128, ge=1)
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(0.1, gt=0, description="of SGD; the peak of the one-cycle schedule")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["steps", "one_cycle"] = "steps"
    milestones: tuple[int, ...] = Field(
        (100, 150), description="epochs after which the rate falls to a tenth"
    )

    @model_validator(mode="after")
    def _milestones_rise(self) -> Stage1Params:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, got {list(self.milestones)}")
        return self


class Params(BaseParams):
    """Sections by step; stages 2 and 3 hand on."""

    common: CommonParams = CommonParams()
    stage1: Stage1Params = Stage1Params()
    stage2: BaseParams = BaseParams()
    stage3: BaseParams = BaseParams()


def stage_end(params: Params, stage: int) -> int:
    """All epochs are in stage 1."""
    return params.stage1.epochs


def seeds_per_class(params: Params) -> int:
    """It knows of no trusted samples."""
    return 0


def make_optimizer(model: ImageClassifier, params: Params) -> torch.optim.Optimizer:
    """SGD with momentum, or Adam."""
    import torch

    p = params.stage1
    if p.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=p.lr, weight_decay=p.weight_decay, fused=True)
    return torch.optim.SGD(model.parameters(), lr=p.lr, momentum=p.momentum, weight_decay=p.weight_decay)


def learning_rate(params: Stage1Params, epoch: int, step: int, steps_an_epoch: int) -> float:
    """The rate at one step: tenths at the milestones, or one cycle (30% up, then down, by cosine).

    One cycle starts at a 25th of the peak and ends near 0, as torch's schedule of that name.
    """
    if params.schedule == "steps":
        return float(params.lr * 0.1 ** sum(epoch >= m for m in params.milestones))
    from asd.training.schedules import one_cycle

    return one_cycle(params.lr, epoch * steps_an_epoch + step, params.epochs * steps_an_epoch)


def work(params: Params, stage: int, count: int) -> StageWork:
    """Steps of all epochs in stage 1 on `count` samples; nothing after it."""
    epochs = params.stage1.epochs if stage == 1 else 0
    return StageWork(epochs, epochs * -(-count // params.stage1.batch), params.stage1.batch)


def run_stage(run: StageRun, params: Params, stage: int) -> None:
    """One pass over everything an epoch, labels as given."""
    from asd.training.epochs import train_supervised

    def train_epoch(epoch: int) -> None:
        mean_loss = train_supervised(
            run.state.model,
            run.state.optimizer,
            run.store,
            run.labels,
            batch=params.stage1.batch,
            epoch=epoch,
            random_seed=run.context.random_seed,
            rate=lambda step, steps: learning_rate(params.stage1, epoch, step, steps),
            autocast=run.autocast,
        )
        run.images_seen += run.store.count
        run.context.reporter.progress(epoch + 1, params.stage1.epochs, "epoch", loss=mean_loss)

    run.train_until(params.stage1.epochs, train_epoch)
