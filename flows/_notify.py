"""Telling people through a Prefect block: a run failed or crashed, a gate does not hold, a drop waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from asd import store
from asd.errors import AsdError, ParamsError
from asd.layout import Layout
from asd.safe_text import safe_text
from flows._recover import runs
from flows._service import service_name, service_params
from flows.deployments import deployment_ids

_BAD = (StateType.FAILED, StateType.CRASHED)
_LONGEST = 2000  # characters of a message
_MEMORY = timedelta(days=7)
_MOST_TOLD = 1000
_TRIES = 5


class Teller:
    """Tells each bad end of a run once; what was told survives in a small file."""

    def __init__(self, layout: Layout, client: SyncPrefectClient, say: Callable[[str], None]) -> None:
        self._layout, self._client, self._say = layout, client, say
        self._file = layout.local / "told.json"
        found = self._read()
        self._since = datetime.fromisoformat(found.get("since") or datetime.now(UTC).isoformat())
        self._told: list[str] = list(found.get("told") or [])
        self._tries: dict[str, int] = {}
        self._write()

    def turn(self, now: datetime) -> int:
        """Tell what is new; how many messages went out."""
        block = service_params(self._layout).notify
        if not block:
            return 0
        since, sent = max(self._since, now - _MEMORY), 0
        deployments = list(deployment_ids(self._client, service_name(self._layout)).values())
        for run in runs(self._client, deployments, _BAD):
            state = run.state
            if state is None or state.timestamp < since or str(state.id) in self._told:
                continue
            if self._tell(block, run, str(state.id)):
                sent += 1
        return sent

    def _tell(self, block: str, run: FlowRun, state: str) -> bool:
        try:
            notify(block, *message(self._layout, run))
        except Exception as error:  # of the block's own library, of the network
            self._tries[state] = self._tries.get(state, 0) + 1
            if self._tries[state] < _TRIES:
                return False
            self._say(f"{run.name}: nobody could be told by {block}: {error}")
        self._told = [*self._told, state][-_MOST_TOLD:]
        self._write()
        return state not in self._tries or self._tries[state] < _TRIES

    def _read(self) -> dict[str, Any]:
        try:
            found = store.read_json(self._file)
        except AsdError:
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self) -> None:
        store.write_json(self._file, {"since": self._since.isoformat(), "told": self._told})


def message(layout: Layout, run: FlowRun) -> tuple[str, str]:
    """Subject and body; names of strangers are made fit to be shown."""
    name, text = safe_text(run.name), (run.state.message if run.state else "") or "no message"
    state = str(run.state_name).lower()
    lines = [safe_text(line, _LONGEST) for line in text[:_LONGEST].splitlines()]
    return f"asd {layout.root.name}: {name} {state}", "\n".join([*lines, f"workspace: {layout.root}"])


def notify(block: str, subject: str, body: str) -> None:
    """Send one message.

    Raises:
        ParamsError: `block` is no notification block.
    """
    from flows import blocks  # noqa: F401  # so that Prefect knows their kinds

    loaded = Block.load(block)
    if not isinstance(loaded, NotificationBlock):
        raise ParamsError(f"service.notify: {block} is no notification block; custom-webhook/NAME is one")
    cast(Any, loaded).notify(body, subject)
