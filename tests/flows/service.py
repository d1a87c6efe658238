"""A workspace of drops, and the server's deployments of it, for tests of the service's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType

from asd.layout import Layout
from flows._service import FLOWS, service_name

PARAMS = """
cells: {datasets: [drops], attacks: [none], defenses: [asd], trials: [0]}
model: {use: small_resnet}
datasets: {drops: {class_names: [red, green]}}
attacks: {none: {}}
defenses: {asd: {}}
service: {quiet_seconds: 3600, rehearse: never}
"""


def workspace(root: Path, more: str = "") -> Layout:
    """A folder with params and an inbox; `more` stands in the section `service`."""
    (root / "inbox").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text(PARAMS.replace("never}", f"never{more}}}"))
    return Layout(root)


def deployed(client: SyncPrefectClient, layout: Layout) -> dict[str, UUID]:
    """Deployments of the workspace that no runner looks after: flow -> id."""
    name = service_name(layout)
    return {flow: client.create_deployment(client.create_flow_from_name(flow), name=name) for flow in FLOWS}


def put(layout: Layout, name: str, *, marked: bool = True) -> Path:
    """A drop `SOURCE/NAME` of one file whose content is the name of the drop."""
    folder = layout.inbox / name
    (folder / "red").mkdir(parents=True)
    (folder / "red" / "1.png").write_text(name.partition("/")[2])
    if marked:
        (folder / ".complete").touch()
    return folder


def end(client: SyncPrefectClient, run: UUID, kind: StateType, message: str = "") -> None:
    """Let a run end in a state."""
    state: State[Any] = State(type=kind, message=message)
    client.set_flow_run_state(run, state, force=True)


def runs_of(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    """All runs of a deployment."""
    return [run for run in client.read_flow_runs(limit=200) if run.deployment_id == deployment]
