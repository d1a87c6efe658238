"""ASD: adaptively split the poisoned data set, and train semi-supervised on both parts.

Stage 1 grows the clean pool class by class from the seeds, stage 2 fills it with the lowest
losses of all, stage 3 ranks by what a virtual round of training changes (meta-split).
Source: Gao et al. 2023, section 4. Every epoch: score, split from scratch, train.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from asd.defenses._traits import PoolTraits
from asd.defenses._work import StageWork
from asd.params import Params as BaseParams
from asd.params import check
from asd.registry import Registry
from asd.training.meta_params import MetaParams

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier
    from asd.training.stage_run import StageRun
    from asd.training.state import Extras


TRAITS = PoolTraits("ASD", "fast", "adaptive", "purify", selects_hard=True)
"""Stage 1 has pools from the first epoch on, all stages split anew, the polluted pool is used without
labels, and the meta-split lets clean hard samples in."""


class OptimizerParams(BaseParams):
    """Adam for the whole run."""

    lr: float = Field(0.002, gt=0)


class PoolParams(BaseParams):
    """Our additions to the splits; neutral values are the paper's."""

    class_floor: int = Field(0, ge=0, description="lowest-loss samples of every class that get in first")
    union_seeds: bool = Field(False, description="force the seeds in (Q3: the paper's prose)")


class CommonParams(BaseParams):
    """What all three stages share."""

    engine: str = Field("mixmatch", description="a plug-in of asd/semisup")
    engine_params: dict[str, Any] = Field(default_factory=dict)
    w: int = Field(10, ge=1, description="seeds a class")
    batch: int = Field(64, ge=1, description="labelled images a step, and unlabelled ones")
    iterations: int = Field(1024, ge=1, description="steps an epoch")
    last_epoch: int = Field(120, ge=0, description="T3; ramps run over it. The paper: 100 on GTSRB")
    optimizer: OptimizerParams = OptimizerParams()
    ema: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="decay of a running average of the weights, which is what is evaluated and shipped; "
        "null: none, as the public code. Pools are split by the weights that are trained",
    )


class Stage1Params(BaseParams):
    """Class-aware: n more samples of every class every t epochs."""

    end: int = Field(60, ge=0, description="T1")
    n: int = Field(10, ge=0)
    t: int = Field(5, ge=1)


class Stage2Params(BaseParams):
    """Class-agnostic: the share alpha with the lowest loss."""

    end: int = Field(90, ge=0, description="T2")
    alpha: float = Field(0.5, gt=0, lt=1)
    pools: PoolParams = PoolParams()


class Stage3OptimizerParams(BaseParams):
    """The learning rate's way down in stage 3."""

    final_decay: float | None = Field(
        None, gt=0, le=1, description="linearly to this share of lr; null: constant"
    )


class Stage3Params(BaseParams):
    """Meta-split: the share gamma whose loss a virtual model lowers least."""

    gamma: float = Field(0.5, gt=0, lt=1)
    pools: PoolParams = PoolParams()
    meta: MetaParams = MetaParams()
    optimizer: Stage3OptimizerParams = Stage3OptimizerParams()


class Params(BaseParams):
    """Sections by step; T1 <= T2 <= T3."""

    common: CommonParams = CommonParams()
    stage1: Stage1Params = Stage1Params()
    stage2: Stage2Params = Stage2Params()
    stage3: Stage3Params = Stage3Params()

    @model_validator(mode="after")
    def _stages_follow_each_other(self) -> Params:
        ends = (self.stage1.end, self.stage2.end, self.common.last_epoch)
        if not ends[0] <= ends[1] <= ends[2]:
            raise ValueError(
                f"stage ends must not fall: got stage1.end {ends[0]}, stage2.end {ends[1]}, "
                f"common.last_epoch {ends[2]}"
            )
        return self


def stage_end(params: Params, stage: int) -> int:
    """T1, T2 or T3."""
    return (params.stage1.end, params.stage2.end, params.common.last_epoch)[stage - 1]


def seeds_per_class(params: Params) -> int:
    """w of the paper."""
    return params.common.w


def make_optimizer(model: ImageClassifier, params: Params) -> torch.optim.Optimizer:
    """One Adam for all three stages."""
    import torch

    return torch.optim.Adam(model.parameters(), lr=params.common.optimizer.lr, fused=True)


def engine_of(params: Params, plugins: Path | None) -> tuple[Any, Any]:
    """The semi-supervised plug-in (module) and its checked params.

    Args:
        plugins: the workspace's own plug-ins, or None.

    Raises:
        ParamsError: no such engine, or params that it does not take.
    """
    engine = Registry("semisup", plugins).get(params.common.engine)
    return engine, check(engine.Params, params.common.engine_params, "common.engine_params")


def extras(params: Params, plugins: Path | None) -> Extras:
    """What the engine trains beside the network, and the running average of the weights."""
    from asd.semisup import auxiliary_of
    from asd.training.state import Extras

    engine, engine_params = engine_of(params, plugins)
    return Extras(functools.partial(auxiliary_of, engine, engine_params), params.common.ema)


def grown_per_class(params: Stage1Params, epoch: int) -> int:
    """Samples added to each class in 0-based `epoch` of stage 1: none at first, n more every t."""
    return epoch // params.t * params.n


def learning_rate(params: Params, epoch: int, iteration: int) -> float:
    """Constant, or in stage 3 linear down to `final_decay` of it."""
    lr, decay = params.common.optimizer.lr, params.stage3.optimizer.final_decay
    start, end = params.stage2.end, params.common.last_epoch
    if decay is None or epoch < start:
        return lr
    done = (epoch - start + iteration / params.common.iterations) / (end - start)
    return lr * (1 - (1 - decay) * done)


def work(params: Params, stage: int, count: int) -> StageWork:
    """What `stage` computes on `count` samples, where no virtual model has to be tried again."""
    common, meta = params.common, params.stage3.meta
    begin = stage_end(params, stage - 1) if stage > 1 else 0
    epochs = stage_end(params, stage) - begin
    splits = -(-epochs // meta.every) if stage == 3 else 0
    virtual = max(meta.epochs * -(-count // meta.batch), meta.min_steps)
    return StageWork(
        epochs=epochs,
        steps=epochs * common.iterations,
        batch=common.batch,
        engine=common.engine,
        engine_params=common.engine_params,
        # a meta-split scores each snapshot, and the model itself over as many views
        passes=epochs + splits * (2 * meta.snapshots - 1),
        virtual_steps=splits * virtual,
        virtual_batch=meta.batch,
        virtual_layers=meta.layers,
    )


def run_stage(run: StageRun, params: Params, stage: int) -> None:
    """Every epoch: score, split by the stage's rule, train on both pools."""
    from asd.defenses._asd_epoch import AsdEpoch

    epochs = AsdEpoch(run, params)
    split = (epochs.split_stage1, epochs.split_stage2, epochs.split_stage3)[stage - 1]
    run.train_until(stage_end(params, stage), lambda epoch: epochs.run(epoch, split))
