"""Ways of training on a set that may be poisoned. A plug-in has three stages (paper, Table 3).

A plug-in module offers `Params` (sections `common`, `stage1`, `stage2`, `stage3`),
`stage_end(params, stage)`, `seeds_per_class(params)`, `make_optimizer(model, params)` and
`run_stage(run, params, stage)`. Importing it must not import torch: a stage that has nothing to
train is handed on without it. It may offer `work(params, stage, count) -> StageWork`, from which
`asd run --dry-run` tells how long it will take, `extras(params, plugins) -> Extras`: what it
trains beside the network, and whether the weights are averaged, and `TRAITS`, its row of the paper's
Table 1 (`PoolTraits`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier
    from asd.training.stage_run import StageRun


class Defense(Protocol):
    """What a defense plug-in (a module) offers."""

    Params: type[Any]

    @staticmethod
    def stage_end(params: Any, stage: int) -> int:
        """Epochs finished at the end of `stage`: T1, T2 or T3."""
        ...

    @staticmethod
    def seeds_per_class(params: Any) -> int:
        """w: how many trusted samples a class it uses; 0 for none."""
        ...

    @staticmethod
    def make_optimizer(model: ImageClassifier, params: Any) -> torch.optim.Optimizer:
        """The optimizer of the whole run, fresh."""
        ...

    @staticmethod
    def run_stage(run: StageRun, params: Any, stage: int) -> None:
        """Train the epochs of `stage`."""
        ...
