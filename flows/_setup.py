"""What the service needs on a Prefect server, made once however often it is asked for."""

from __future__ import annotations

from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

ZOMBIES = "asd: a run without a heartbeat has crashed"
SILENCE = timedelta(seconds=90)
"""Three times the heartbeat of a flow run."""

_BEAT = "prefect.flow-run.heartbeat"
_ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}


def ensure_zombie_automation(client: SyncPrefectClient) -> bool:
    """Show runs as crashed whose process died together with its runner; True if it was made now."""
    if client.read_automations_by_name(ZOMBIES):
        return False
    trigger = EventTrigger(
        posture=Posture.Proactive,
        after={_BEAT},
        expect={_BEAT, *_ENDS},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        for_each={"prefect.resource.id"},
        threshold=1,
        within=SILENCE,
    )
    message = (
        f"no sign of life for {SILENCE.total_seconds():.0f} s: its process was killed, or its machine is off"
    )
    crash = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message)
    client.create_automation(AutomationCore(name=ZOMBIES, trigger=trigger, actions=[crash]))
    return True


def ensure_gpu_limit(client: SyncPrefectClient, name: str, gpus: int) -> bool:
    """As many runs at once as there are GPUs; one that exists is left as it is. True if made now."""
    try:
        client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        try:
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=max(gpus, 1))
            )
        except ObjectAlreadyExists:  # another workspace was faster
            return False
        return True
    return False
