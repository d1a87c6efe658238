"""Runs whose process is gone: shown as crashed, and begun again where that makes sense."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry

MOST_BEGINNINGS = 10
"""A run that crashed so often is left for a person."""

_ALIVE = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def recover(client: SyncPrefectClient, deployments: Sequence[UUID]) -> list[str]:
    """Called before a runner starts: whatever its deployments have running has lost its process.

    A run that somebody was cancelling ends as cancelled; the others crash and begin again.

    Returns:
        What was done, a line each.
    """
    done = []
    for run in runs(client, deployments, _ALIVE):
        if run.state_type == StateType.CANCELLING:
            _set(client, run, State(type=StateType.CANCELLED, message="its process ended with the service"))
            done.append(f"{run.name}: cancelled")
            continue
        _set(client, run, State(type=StateType.CRASHED, message="its process ended with the service"))
        done.append(f"{run.name}: crashed" + (", begins again" if again(client, run) else ""))
    return done


def again(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Let a crashed run begin again, as the same run; False when it crashed too often."""
    if run.run_count >= MOST_BEGINNINGS:
        return False
    _set(client, run, AwaitingRetry(message="it crashed; it goes on from where it was"))
    return True


def runs(
    client: SyncPrefectClient, deployments: Sequence[UUID], types: Sequence[StateType], limit: int = 200
) -> list[FlowRun]:
    """Runs of these deployments in a state of these types, the latest first."""
    if not deployments:
        return []
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))),
        ),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployments))),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=limit,
    )


def _set(client: SyncPrefectClient, run: FlowRun, state: State[None]) -> None:
    client.set_flow_run_state(run.id, state, force=True)
