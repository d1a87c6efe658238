"""Settings of the virtual model; importing this needs no torch."""

from __future__ import annotations

from pydantic import Field

from asd.params import Params


class MetaParams(Params):
    """How the virtual model is trained and when it counts as trained."""

    lr: float = Field(0.015, gt=0, description="beta, Adam's learning rate")
    layers: int = Field(3, ge=1, description="how many of the network's last layers are trained")
    batch: int = Field(128, ge=1)
    epochs: int = Field(1, ge=1, description="passes over all N samples")
    min_steps: int = Field(0, ge=0, description="go on with further passes until this many steps are done")
    snapshots: int = Field(
        1, ge=1, description="states of the virtual model, the last one included, whose losses are averaged"
    )
    snapshot_every: int = Field(1, ge=1, description="steps between two of them")
    every: int = Field(1, ge=1, description="epochs between two meta-splits; the pool is kept in between")
    retries: int = Field(1, ge=0, description="further tries for a virtual model that did not learn")
    retry_lr: float = Field(0.5, gt=0, le=1, description="factor on the rate at each retry")
    retry_steps: float = Field(2.0, ge=1, description="factor on the steps at each retry")
    least_fit: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of some label's distrusted samples that must be fitted (guard.fitted_share)",
    )
