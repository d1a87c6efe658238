"""`python -m flows.deployments WORKSPACE`: the runner of `asd serve`, one run of the workspace at a time.

The deployments are those of `prefect.yaml`, under the name that `service.name` gives them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from asd.cli.failure import exit_code_for
from asd.errors import ParamsError
from asd.layout import Layout
from asd.lifeline import PARENT, die_with_parent
from flows._missed import keep_one
from flows._recover import recover
from flows._service import FLOWS, gpu_count, service_name, service_params
from flows._setup import ensure_gpu_limit, ensure_zombie_automation
from flows.audit_revision import audit_revision
from flows.nightly import nightly
from flows.on_drop import on_drop
from flows.rehearse import rehearse

_MONTHLY = "0 4 1 * *"
_POLL = 5.0  # seconds between two questions for runs that are due
_ALL: tuple[Flow[..., Any], ...] = (on_drop, nightly, rehearse, audit_revision)


def schedules(layout: Layout) -> dict[str, Any]:
    """Flow -> its schedule, of those that have one.

    Raises:
        ParamsError: `service.nightly` or `service.timezone` is wrong.
    """
    params = service_params(layout)
    found = {}
    if params.nightly:
        found["nightly"] = _cron("nightly", params.nightly, params.timezone)
    if params.rehearse == "monthly":
        found["rehearse"] = _cron("timezone", _MONTHLY, params.timezone)
    return found


def _cron(name: str, words: str, timezone: str) -> Any:
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=words, timezone=timezone)
        return Cron(words, timezone=timezone)
    except ValueError as error:
        raise ParamsError(
            f"service.{name}: {words!r} at {timezone!r} is no schedule; wanted cron's five fields, such as "
            '"0 2 * * *", and a time zone such as Europe/Berlin'
        ) from error


def deployment_ids(client: SyncPrefectClient, name: str) -> dict[str, UUID]:
    """Flow -> the deployment of this name, of those that the server knows."""
    found = {}
    for flow in FLOWS:
        try:
            found[flow] = client.read_deployment_by_name(f"{flow}/{name}").id
        except ObjectNotFound:
            continue
    return found


def prepare(client: SyncPrefectClient, layout: Layout) -> list[str]:
    """Set the server up and settle what an earlier service left; lines that say what was done."""
    ensure_zombie_automation(client)
    ensure_gpu_limit(client, service_params(layout).gpu_limit, gpu_count())
    known = deployment_ids(client, service_name(layout))
    lines = recover(client, list(known.values()))
    for flow, deployment in known.items():
        missed = keep_one(client, deployment)
        if missed:
            lines.append(f"{flow}: {missed} missed runs are left out; the latest does their work")
    return lines


async def serve(layout: Layout) -> None:
    """Register the deployments and run what is due, until killed."""
    name, due = service_name(layout), schedules(layout)
    runner = Runner(name=name, limit=1, query_seconds=_POLL, pause_on_shutdown=False)
    for flow in _ALL:
        deployment = await flow.ato_deployment(
            name=name,
            parameters={"workspace": str(layout.root)},
            schedules=[due[flow.name]] if flow.name in due else [],
            entrypoint_type=EntrypointType.MODULE_PATH,
            description=(flow.description or "").partition("\n")[0],
            tags=["asd"],
            paused=False,
        )
        await runner.aadd_deployment(deployment)
    await runner.start()


def main(arguments: Sequence[str]) -> int:
    """Serve the deployments of one workspace; the exit code."""
    die_with_parent()
    os.environ[PARENT] = str(os.getpid())  # for the flow runs, which die with this process
    layout = Layout(Path(arguments[0]))
    try:
        schedules(layout)
        with get_client(sync_client=True) as client:
            for line in prepare(client, layout):
                sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        asyncio.run(serve(layout))
    except BaseException as error:
        return exit_code_for(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
