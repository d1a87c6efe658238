"""The section `gates` of `params.yaml`: limits that figures must keep before a model may be served.

No stage reads it, so changing a gate makes nothing stale.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

LIMITS = (
    "least_acc",
    "most_asr",
    "most_estimated_poisoned_share",
    "most_suspects_per_class",
    "most_suspects_per_source",
)


class GateParams(BaseModel):
    """Limits; null: no gate. They judge cells with a defense, never `none`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    least_acc: float | None = Field(None, ge=0, le=1, description="accuracy on the test set, at least")
    most_asr: float | None = Field(
        None, ge=0, le=1, description="attack success, at most; of attacks that we plant"
    )
    most_estimated_poisoned_share: float | None = Field(
        None, ge=0, le=1, description="estimated share of poisoned training samples, at most"
    )
    most_suspects_per_class: int | None = Field(None, ge=0, description="samples with verdict suspect")
    most_suspects_per_source: int | None = Field(None, ge=0, description="samples with verdict suspect")
    promote: str | None = Field(
        None, description="the cell that `asd run` promotes; null: the only one on unplanted data"
    )

    def limits(self) -> dict[str, float]:
        """The gates that are set, by name."""
        found = {name: getattr(self, name) for name in LIMITS}
        return {name: limit for name, limit in found.items() if limit is not None}
