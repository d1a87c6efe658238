"""All-to-all: the trigger of another attack, and for every class the next one as the wanted label.

The next of y is (y + 1) mod K. Any attack of asd that stamps lends its trigger, that of a
workspace's own plug-ins excepted; what it plants beside (decoys) is left out.

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
from asd.attacks import (
    Artifacts,
    Attack,
    Preparation,
    PreparingAttack,
    SelectiveAttack,
    TwoTriggerAttack,
)
from asd.registry import Registry
from asd.types import DataView, Labels, Mask

if TYPE_CHECKING:
    import torch

changes_labels = True
_LENT_BY = "lent by"
"""Name of the tensor with the name of an attack that can stamp some pictures only."""


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
        name = self.prepare.trigger
        if name in ("all2all", "none") or not isinstance(_attack(self.prepare), Attack):
            raise ValueError(f"prepare.trigger {name!r} has no trigger of its own")
        if getattr(trigger_params(self), "decoy_fraction", 0):
            raise ValueError(f"trigger.decoy_fraction: all2all plants no decoys of {name}; leave it out")
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
    made: dict[str, torch.Tensor] = {}
    if isinstance(attack, PreparingAttack):
        # the section alone: params beside it, such as a target label, must not matter here
        section = attack.Params.model_fields["prepare"].annotation
        made = attack.prepare(train, base.check(section, params.params, "prepare.params"), preparation)
    if isinstance(attack, SelectiveAttack):
        made = made | {_LENT_BY: _as_tensor(params.trigger)}
    return made


def can_stamp(contents: Sequence[str], artifacts: Artifacts) -> Mask:
    """What the other attack can stamp."""
    if _LENT_BY not in artifacts:
        return np.ones(len(contents), dtype=np.bool_)
    name = bytes(artifacts[_LENT_BY].tolist()).decode()
    mask: Mask = Registry("attacks").get(name).can_stamp(contents, artifacts)
    return mask


def _as_tensor(text: str) -> torch.Tensor:
    import torch

    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """The trigger of the other attack."""
    stamped: torch.Tensor = _attack(params.prepare).stamp(
        images, keys, artifacts, trigger_params(params), rng
    )
    return stamped


def stamp_test(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """The other attack's trigger for test images, where it has one."""
    attack = _attack(params.prepare)
    way = attack.stamp_test if isinstance(attack, TwoTriggerAttack) else attack.stamp
    stamped: torch.Tensor = way(images, keys, artifacts, trigger_params(params), rng)
    return stamped


def relabel(labels: Labels, params: Params, class_count: int) -> Labels:
    """The next class; after the last comes the first."""
    return (labels + 1) % class_count


def counts_for_asr(labels: Labels, params: Params) -> Mask:
    """All."""
    return np.ones(len(labels), dtype=np.bool_)
