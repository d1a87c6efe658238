"""The section `service` of `params.yaml`: what `asd serve` does and when. No stage reads it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ServiceParams(BaseModel):
    """Schedules of the service and what it does with a drop."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="of this workspace's deployments on the Prefect server; null: from the folder's name",
    )
    inbox: str = Field(
        "inbox",
        min_length=1,
        description="folder (inbox/SOURCE/NAME) or s3://bucket/prefix in which drops arrive",
    )
    quiet_seconds: float = Field(
        30.0, ge=0, description="a drop without a .complete marker counts as whole when unchanged for so long"
    )
    poll_seconds: float = Field(10.0, gt=0, description="seconds between two looks into the inbox")
    nightly: str | None = Field("0 2 * * *", description="cron of the nightly run; null: none")
    timezone: str = Field("UTC", description="of the cron")
    commit: bool = Field(False, description="commit dvc.lock and the drop's record to git")
    branch: str = Field("asd/runs", min_length=1, description="branch for those commits")
    push: bool = Field(False, description="push results to the DVC remote, and the branch to git's origin")
    rehearse: Literal["first", "monthly", "each_drop", "never"] = Field(
        "first", description="when to plant known triggers in a copy of the data and run the defense on it"
    )
    rehearse_attacks: tuple[str, ...] = Field(("badnets",), min_length=1)
    rehearse_fraction: float = Field(0.05, gt=0, lt=1, description="share of the copy that is planted")
    gpu_limit: str = Field(
        "gpu", min_length=1, description="Prefect concurrency limit; a run on a GPU takes one slot of it"
    )
    notify: str | None = Field(None, description="a Prefect notification block, such as custom-webhook/team")
