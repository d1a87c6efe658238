"""The section `seeds` of `params.yaml`: where the trusted samples come from."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Use = Literal["oracle", "keys", "folder", "transfer", "sift"]
OUTSIDE: tuple[Use, ...] = ("folder", "transfer")
"""Uses that read the source `seeds`: images from outside the training set."""


class _Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LinearParams(_Params):
    """The linear layer on the frozen backbone, on the whole training set with labels as given."""

    epochs: int = Field(1, ge=1)
    lr: float = Field(0.002, gt=0)
    batch: int = Field(128, ge=1)


class TransferParams(_Params):
    """Seeds of another data set (paper section 5.4): they train the first model, and are no seeds of ASD."""

    names_column: str = Field("label", description="column of a Parquet file that holds the picture's class")
    class_map: str | None = Field(
        None,
        description="CSV below seeds/ with columns name,class_name: a class there -> a class here; others "
        "are left out. asd comes with cifar10_from_imagenet_close.csv and cifar10_from_imagenet_all.csv. "
        "null: the names are those of the data set",
    )
    per_class: int | None = Field(10, ge=1, description="pictures a class; null: all")
    engine: str = Field("mixmatch", description="a plug-in of asd/semisup")
    engine_params: dict[str, Any] = Field(default_factory=dict)
    epochs: int = Field(10, ge=1)
    iterations: int = Field(1024, ge=1, description="steps an epoch")
    batch: int = Field(64, ge=1, description="labelled images a step, and unlabelled ones")
    lr: float = Field(0.002, gt=0, description="of Adam")
    linear: LinearParams = LinearParams()


class SiftParams(_Params):
    """Seeds that nobody vouches for, chosen from the data as given. Experimental."""

    accept_risk: bool = Field(
        False, description="without it the step refuses; `asd run --accept-risk` sets it to true"
    )
    per_class: int = Field(20, ge=10, description="seeds listed of each class")
    pool: int = Field(60, ge=10, description="best samples of a class that a trial's seeds are drawn from")
    agree: float = Field(0.5, gt=0, le=1, description="part of the views that must predict the label")
    too_sure: float = Field(
        0.95, gt=0.5, lt=1, description="a view is too sure of a label beyond this quantile of a usual class"
    )
    apart: float = Field(
        8.0, ge=0, le=255, description="mean difference of two seeds of a class, as 8x8 pixels of 0 to 255"
    )
    patches: int = Field(192, ge=16, le=4096, description="random patches that features are made with")
    folds: int = Field(5, ge=2, le=50, description="parts that are predicted by fits on the others")
    ridge: float = Field(0.05, gt=0, description="strength, as a part of the number of samples")
    most: int = Field(50_000, ge=100, description="samples looked at; of more, every class gives as many")

    @model_validator(mode="after")
    def _draws_enough(self) -> Self:
        if self.pool < self.per_class:
            raise ValueError(f"pool {self.pool} is less than per_class {self.per_class}")
        return self


SIFT_REFUSED = (
    "sifted seeds are experimental: poisoned pictures may be among them, which can break the "
    "defense without a sign; nobody vouches for them. Accept the risk with `asd run --accept-risk` "
    "(seeds.sift.accept_risk: true), or pick seeds with `asd seeds sheet`"
)


class SeedChoice(_Params):
    """Where the trusted samples of a cell come from."""

    use: Use = Field(
        "oracle",
        description="oracle: drawn from truly clean samples (evaluation only); keys: those that people "
        "vouch for (`asd seeds`); folder: trusted images outside the training set; transfer: images of "
        "another data set, such as ImageNet (both: `asd source set seeds PATH`); sift: chosen from the data "
        "itself (experimental; needs sift.accept_risk)",
    )
    keys_file: str = Field(
        "trusted.csv",
        description="file below seeds/: that of `asd seeds add`, or a text file with one key a line",
    )
    poisoned: int = Field(
        0, ge=0, description="oracle: planted samples among the seeds, in place of clean ones (Table 5)"
    )
    transfer: TransferParams = TransferParams()
    sift: SiftParams = SiftParams()


class SeedParams(SeedChoice):
    """The same for all cells, but for what `for_attack` says."""

    for_attack: dict[str, SeedChoice] = Field(
        default_factory=dict, description="variant of an attack -> what is other for its cells"
    )

    def of(self, attack: str) -> SeedChoice:
        """The section as it stands for cells of that variant of an attack."""
        own = self.model_dump(exclude={"for_attack"})
        if attack in self.for_attack:
            own = _merged(own, self.for_attack[attack].model_dump(exclude_unset=True))
        return SeedChoice.model_validate(own)


def _merged(base: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`base` with what `other` says put over it, section by section; an engine's params go as one."""
    merged = dict(base)
    for key, value in other.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict) and key != "engine_params"
        merged[key] = _merged(base[key], value) if nested else value
    return merged
