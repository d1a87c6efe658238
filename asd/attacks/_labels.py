"""Target labels: the params and rules that attacks with one target class share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from asd.errors import ParamsError
from asd.params import Params
from asd.types import DataView, Labels, Mask


class NothingToPrepare(Params):
    """The `prepare` section of an attack that prepares nothing."""


class TargetParams(Params):
    """How many samples an attack poisons and which label it wants for them."""

    target_label: int = Field(3, ge=0, description="y_t, the class that triggered images shall get")
    poison_fraction: float = Field(0.05, ge=0, le=1, description="poisoned samples as a part of `of` (Q1)")
    of: Literal["data", "eligible"] = Field(
        "data",
        description="data: of the whole training set; eligible: of the samples that may be poisoned, "
        "for a clean-label attack those of the target class",
    )
    count: Literal["exact", "bernoulli"] = Field(
        "exact",
        description="exact: floor(poison_fraction * N) samples; bernoulli: each sample outside the "
        "target class with probability poison_fraction, as the public code does",
    )

    @field_validator("target_label", mode="before")
    @classmethod
    def _label_is_a_number(cls, value: Any) -> Any:
        return _no_boolean(value)


class PreparedTargetParams(TargetParams):
    """Of an attack that prepares for one target class; its `prepare` has a `target_label`, too."""

    @field_validator("prepare", mode="before", check_fields=False)
    @classmethod
    def _prepared_label_is_a_number(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            _no_boolean(value.get("target_label"), "target_label: ")
        return value

    @model_validator(mode="after")
    def _one_target(self) -> PreparedTargetParams:
        prepared = getattr(self, "prepare").target_label  # noqa: B009 - a field of the subclass
        if self.target_label != prepared:
            raise ValueError(
                f"target_label {self.target_label} and prepare.target_label {prepared} differ; set both"
            )
        return self


def _no_boolean(value: Any, where: str = "") -> Any:
    """`value`, unless it is a boolean: pydantic would take `true` for class 1."""
    if isinstance(value, bool):
        raise ValueError(f"{where}a label is a whole number, not {str(value).lower()}")
    return value


def refuse_target(target_label: int, train: DataView) -> None:
    """Refuse to prepare for a class that the data do not have, or have nothing else than.

    Raises:
        ParamsError: says which.
    """
    if target_label >= train.class_count:
        raise ParamsError(f"prepare.target_label {target_label}: there are {train.class_count} classes")
    if bool((train.labels == target_label).all()):
        raise ParamsError(f"every sample is of the target class {target_label}; nothing to poison")


def to_target(labels: Labels, params: TargetParams, class_count: int) -> Labels:
    """The target label for all."""
    return np.full_like(labels, params.target_label)


def outside_target(labels: Labels, params: TargetParams) -> Mask:
    """Samples that are not of the target class; only these can show that a trigger works (Q21)."""
    mask: Mask = labels != params.target_label
    return mask
