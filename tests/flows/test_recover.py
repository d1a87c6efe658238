"""What an earlier service left on the server: settled once, and nothing piles up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.flows import service

pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # Prefect's event sockets
]


@pytest.fixture
def client() -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as found:
        yield found


def run_in(client: Any, deployment: UUID, kind: str, *, times: int = 1) -> Any:
    from prefect.client.schemas.objects import State, StateType

    run = client.create_flow_run_from_deployment(deployment)
    for _ in range(times):
        client.set_flow_run_state(run.id, State(type=StateType.RUNNING), force=True)
    client.set_flow_run_state(run.id, State(type=StateType(kind)), force=True)
    return run


def test_runs_whose_process_is_gone_crash_and_begin_again(client: Any, tmp_path: Path) -> None:
    from flows._recover import recover

    ids = service.deployed(client, service.workspace(tmp_path / "recover"))
    running, pending = (run_in(client, ids["on_drop"], kind) for kind in ("RUNNING", "PENDING"))
    cancelling, done = (run_in(client, ids["nightly"], kind) for kind in ("CANCELLING", "COMPLETED"))
    lines = recover(client, list(ids.values()))
    names = {run.id: client.read_flow_run(run.id).state_name for run in (running, pending, cancelling, done)}
    assert list(names.values()) == ["AwaitingRetry", "AwaitingRetry", "Cancelled", "Completed"]
    assert len(lines) == 3
    states = [state.name for state in client.read_flow_run_states(running.id)]
    assert "Crashed" in states  # for who reads the history of the run
    assert recover(client, list(ids.values())) == []


def test_run_that_crashes_for_ever_is_left_for_a_person(client: Any, tmp_path: Path) -> None:
    from flows._recover import MOST_BEGINNINGS, recover

    ids = service.deployed(client, service.workspace(tmp_path / "forever"))
    run = run_in(client, ids["on_drop"], "RUNNING", times=MOST_BEGINNINGS)
    recover(client, list(ids.values()))
    assert client.read_flow_run(run.id).state_name == "Crashed"


def test_of_missed_runs_of_a_schedule_only_the_latest_is_left(client: Any, tmp_path: Path) -> None:
    from flows._missed import keep_one

    ids = service.deployed(client, service.workspace(tmp_path / "missed"))
    by_hand = client.create_flow_run_from_deployment(ids["nightly"])
    late = [scheduled(client, ids["nightly"], hours) for hours in (72, 48, 24)]
    coming = scheduled(client, ids["nightly"], -24)
    assert keep_one(client, ids["nightly"]) == 2
    names = [client.read_flow_run(run).state_name for run in (*late, coming, by_hand.id)]
    assert names[:2] == ["Missed", "Missed"]
    assert set(names[2:]) <= {"Late", "Scheduled"}
    assert keep_one(client, ids["nightly"]) == 0


def scheduled(client: Any, deployment: UUID, hours_ago: float) -> UUID:
    """A run as the server's own scheduler makes it."""
    from prefect.states import Scheduled

    moment = datetime.now(UTC) - timedelta(hours=hours_ago)
    state = Scheduled(scheduled_time=moment)
    run = client.create_flow_run_from_deployment(deployment, state=state, tags=["auto-scheduled"])
    return run.id


def test_server_is_set_up_once(client: Any) -> None:
    from flows._setup import ZOMBIES, ensure_gpu_limit, ensure_zombie_automation

    assert [ensure_zombie_automation(client) for _ in range(2)] == [True, False]
    assert len(client.read_automations_by_name(ZOMBIES)) == 1
    assert [ensure_gpu_limit(client, "gpu-of-a-test", 2) for _ in range(2)] == [True, False]
    assert client.read_global_concurrency_limit_by_name("gpu-of-a-test").limit == 2
