"""Schedules that were missed while nothing could run: one run makes up for all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.runtime import deployment, flow_run

_BY_SCHEDULE = "auto-scheduled"
"""The server's tag of runs that a schedule made."""


def drop_missed() -> int:
    """Called by a flow that has a schedule: cancel the other runs of its deployment that are due.

    Returns:
        How many there were.
    """
    if not deployment.id or not flow_run.id:
        return 0
    with get_client(sync_client=True) as client:
        mine = str(flow_run.id)
        late = [run for run in due(client, UUID(str(deployment.id))) if str(run.id) != mine]
        for run in late:
            cancel_missed(client, run)
    return len(late)


def keep_one(client: SyncPrefectClient, deployment_id: UUID) -> int:
    """Of the runs of a deployment that are due and have not begun, cancel all but the latest."""
    late = sorted(due(client, deployment_id), key=lambda run: str(run.expected_start_time))
    for run in late[:-1]:
        cancel_missed(client, run)
    return max(len(late) - 1, 0)


def due(client: SyncPrefectClient, deployment_id: UUID) -> list[FlowRun]:
    """Runs made by a schedule whose time has come and that wait to begin."""
    waiting = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    found = client.read_flow_runs(
        flow_run_filter=waiting,
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id])),
        limit=200,
    )
    now = datetime.now(UTC)
    return [
        run
        for run in found
        if _BY_SCHEDULE in run.tags
        and run.run_count == 0
        and run.expected_start_time
        and run.expected_start_time <= now
    ]


def cancel_missed(client: SyncPrefectClient, run: FlowRun) -> None:
    """A run whose time is over; a later one does its work."""
    state: State[None] = State(type=StateType.CANCELLED, name="Missed", message="a later run does its work")
    client.set_flow_run_state(run.id, state, force=True)
