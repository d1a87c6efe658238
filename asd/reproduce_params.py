"""The section `reproduce` of `params.yaml`: which cells stand for which rows of the paper."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CellOf = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*/[a-z0-9][a-z0-9_]*$")]
"""`attack/defense`, by the names of variants."""


class _Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetParams(_Params):
    """One table or figure: variant -> attack, in the paper's words -> the cell that measures it."""

    trials: tuple[int, ...] = Field((0,), min_length=1)
    cells: dict[str, dict[str, CellOf]] = Field(min_length=1)


class ReproduceParams(_Params):
    """What `asd reproduce` runs and where it looks; a target that is not named is not offered."""

    preset: str = Field(description="name of the preset that these params come from; it stands in the tables")
    dataset: str
    table4: TargetParams | None = None
    table5: TargetParams | None = None
    table6: TargetParams | None = None
    fig3: TargetParams | None = None
    fig4: TargetParams | None = None
    fig6: TargetParams | None = None
    fig7: TargetParams | None = None
