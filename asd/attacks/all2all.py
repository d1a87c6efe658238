"""All-to-all: any trigger, and for every class the next one as the wanted label, (y + 1) mod K.

Every sample may be poisoned and every triggered test image counts; attack success is the share
that gets the next label, so a model that is right on a fraction p of clean images reaches about p.
Source: paper, Appendix D; its trigger there is unknown (facts 4.8), here BadNets unless said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from asd import params as base
from asd.attacks import Artifacts, Preparation, PreparingAttack
from asd.registry import Registry
from asd.types import DataView, Labels, Mask

if TYPE_CHECKING:
    import torch

changes_labels = True


class Prepare(base.Params):
    """Which trigger, and what that prepares."""

    trigger: str = Field("badnets", description="the attack whose trigger is taken")
    params: dict[str, Any] = Field({}, description="the section `prepare` of that attack")


class Params(base.Params):
    """How many samples, and the params of the trigger."""

    poison_fraction: float = Field(0.05, ge=0, le=1, description="poisoned samples as a part of all")
    count: Literal["exact", "bernoulli"] = "exact"
    of: Literal["data"] = "data"
    trigger: dict[str, Any] = Field({}, description="params of the trigger's attack, but `prepare`")
    prepare: Prepare = Prepare()

    @model_validator(mode="after")
    def _trigger_params_are_right(self) -> Params:
        if self.prepare.trigger in ("all2all", "none"):
            raise ValueError(f"prepare.trigger {self.prepare.trigger!r} has no trigger of its own")
        trigger_params(self)
        return self


def trigger_params(params: Params) -> Any:
    """The checked params of the trigger's attack.

    Raises:
        ParamsError: there is no such attack, or it has no such params.
    """
    attack = _attack(params.prepare)
    section = {**params.trigger, "prepare": params.prepare.params}
    return base.check(attack.Params, section, f"trigger ({params.prepare.trigger})")


def _attack(params: Prepare) -> Any:
    return Registry("attacks").get(params.trigger)


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """What the trigger's attack prepares."""
    attack = _attack(params)
    if not isinstance(attack, PreparingAttack):
        return {}
    section = base.check(attack.Params, {"prepare": params.params}, f"prepare ({params.trigger})")
    return attack.prepare(train, section.prepare, preparation)


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """The trigger of the other attack."""
    stamped: torch.Tensor = _attack(params.prepare).stamp(
        images, keys, artifacts, trigger_params(params), rng
    )
    return stamped


def relabel(labels: Labels, params: Params, class_count: int) -> Labels:
    """The next class; after the last comes the first."""
    return (labels + 1) % class_count


def counts_for_asr(labels: Labels, params: Params) -> Mask:
    """All."""
    return np.ones(len(labels), dtype=np.bool_)
