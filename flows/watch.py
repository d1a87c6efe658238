"""`python -m flows.watch WORKSPACE`: the sensor. Starts a run for every whole drop in the inbox.

A drop's SHA-256 is the idempotency key of its run (of one in an object store: the hash over names,
sizes and ETags, since its bytes are not here yet), so whatever is killed and started again, each
drop has one run. A run that crashed begins again; failures and failed gates are told to people.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from asd import store
from asd.cli.failure import exit_code_for
from asd.errors import AsdError, ParamsError
from asd.intake.add import checked_drop_name, checked_source
from asd.intake.arrivals import Arrival, is_remote, look
from asd.intake.gate import TooLargeError, drop_sha256
from asd.layout import Layout
from asd.lifeline import die_with_parent
from asd.params import load_workspace
from asd.safe_text import safe_text
from flows._notify import Teller
from flows._recover import again
from flows._service import service_name, service_params
from flows.deployments import deployment_ids

_SETTLED_EVERY = timedelta(minutes=10).total_seconds()
"""How often a drop that is done with is looked at again, in case it was replaced."""

_LONGEST_SAID = 500

_LOST = (httpx.HTTPError, PrefectHTTPStatusError, OSError)
"""What a server raises that is away for a moment."""


_ENDED_BADLY = (StateType.FAILED, StateType.CANCELLED, StateType.CRASHED)


@dataclass(frozen=True)
class Seen:
    """What the watcher knows of one place in the inbox.

    Attributes:
        fingerprint, marker: of its last look.
        since: when it was first seen like that, seconds since 1970.
        looked: when it was last looked at.
        sha256: of the drop, once it was whole.
        run: id of its flow run, once it was started.
        settled: how that run ended; empty before.
    """

    fingerprint: str
    marker: str
    since: float
    looked: float
    sha256: str = ""
    run: str = ""
    settled: str = ""


class Watcher:
    """Looks into the inbox of one workspace; everything it knows survives in a small file."""

    def __init__(self, layout: Layout, client: SyncPrefectClient, say: Callable[[str], None]) -> None:
        self._layout, self._client, self._say = layout, client, say
        self._seen = self._read()
        self._written = dict(self._seen)
        self._said: set[str] = set()

    def turn(self) -> None:
        """One look: note what changed, start what is whole, settle what ended.

        Raises:
            AsdError: the inbox cannot be read.
        """
        params, now = service_params(self._layout), time.time()

        def skip(place: str, marker: str) -> bool:
            known = self._seen.get(place)
            if known is None or not known.settled or known.marker != marker:
                return False
            return now - known.looked < _SETTLED_EVERY

        found = look(params.inbox, self._layout.root, skip)
        for problem in found.problems:
            self._once(problem)
        for arrival in found.arrivals:
            try:
                checked_source(arrival.source)
            except ParamsError as error:
                self._once(f"inbox folder of a source: {error}; it is left alone".replace("--source ", ""))
                continue
            self._note(arrival, now)
            if self._is_whole(arrival, params.quiet_seconds, now):
                self._start(arrival)
        for place, known in list(self._seen.items()):
            if known.run and not known.settled:
                self._seen[place] = replace(known, settled=self._outcome(known))
        self._write()

    def _note(self, arrival: Arrival, now: float) -> None:
        known = self._seen.get(arrival.place)
        if known is None or (known.fingerprint, known.marker) != (arrival.fingerprint, arrival.marker):
            known = Seen(arrival.fingerprint, arrival.marker, now, now)
        self._seen[arrival.place] = replace(known, looked=now)

    def _is_whole(self, arrival: Arrival, quiet: float, now: float) -> bool:
        known = self._seen[arrival.place]
        return not known.run and (bool(arrival.marker) or now - known.since >= quiet)

    def _start(self, arrival: Arrival) -> None:
        """Start the run of a drop; asked twice, the server answers with the same run."""
        shown = f"{arrival.source}/{checked_drop_name(None, Path(arrival.name))}"
        deployment = deployment_ids(self._client, service_name(self._layout)).get("on_drop")
        if deployment is None:
            self._once(
                f"{shown} waits: the server has no deployment on_drop/{service_name(self._layout)} yet"
            )
            return
        sha256 = self._hash(arrival)
        if not sha256:
            return
        parameters = {
            "place": arrival.place,
            "source": arrival.source,
            "name": arrival.name,
            "sha256": sha256,
        }
        run = self._client.create_flow_run_from_deployment(
            deployment,
            parameters={"workspace": str(self._layout.root), **parameters},
            idempotency_key=sha256,
            name=f"{shown} {sha256[:8]}",
        )
        if run.state_type in _ENDED_BADLY:  # the same drop once more, or its marker was written anew
            again(self._client, run)
        self._seen[arrival.place] = replace(self._seen[arrival.place], sha256=sha256, run=str(run.id))
        self._write()
        self._say(f"{shown} is whole: {arrival.files} files, SHA-256 {sha256[:12]}; run {run.name}")

    def _hash(self, arrival: Arrival) -> str:
        """The drop's hash; empty where it changed meanwhile or cannot be read yet."""
        if is_remote(arrival.place):
            return arrival.fingerprint
        try:
            sha256 = drop_sha256(
                Path(arrival.place), load_workspace(self._layout.root).params.intake.most_bytes
            )
        except TooLargeError:  # its run says so, and people are told
            return arrival.fingerprint
        except (AsdError, OSError) as error:
            self._once(f"{safe_text(arrival.place)}: {safe_text(str(error))}")
            return ""
        inbox = service_params(self._layout).inbox
        others = look(inbox, self._layout.root, lambda place, marker: place != arrival.place).arrivals
        return sha256 if [one.fingerprint for one in others] == [arrival.fingerprint] else ""

    def _outcome(self, known: Seen) -> str:
        """How a run ended; empty while it has not. One that crashed begins again, up to a limit."""
        try:
            run = self._client.read_flow_run(UUID(known.run))
        except ObjectNotFound:
            return "deleted"
        if run.state_type == StateType.CRASHED:
            if again(self._client, run):
                self._say(f"{run.name} crashed and begins again")
                return ""
            return "crashed"
        ended = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED)
        if run.state_type not in ended:
            return ""
        words = (run.state.message if run.state else "") or ""
        self._say(f"{run.name}: {run.state_name}: {safe_text(' '.join(words.split()), _LONGEST_SAID)}")
        return str(run.state_name)

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    # -- the journal ----------------------------------------------------------------------

    def _read(self) -> dict[str, Seen]:
        """What an earlier watcher knew; a damaged file costs one look at everything."""
        try:
            found: dict[str, Any] = store.read_json(self._layout.inbox_journal)
            return {place: Seen(**entry) for place, entry in found.items()}
        except (AsdError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        if self._written != self._seen:
            store.write_json(self._layout.inbox_journal, {k: asdict(v) for k, v in self._seen.items()})
            self._written = dict(self._seen)


def watch(layout: Layout, say: Callable[[str], None]) -> None:
    """Look, tell, sleep, until killed; a server or a store that is away is asked again."""
    problem = ""
    with get_client(sync_client=True) as client:
        watcher, teller = Watcher(layout, client, say), Teller(layout, client, say)
        while True:
            try:
                watcher.turn()
                teller.turn(datetime.now(UTC))
                problem = ""
            except (AsdError, *_LOST) as error:
                text = f"{type(error).__name__}: {error}" if not isinstance(error, AsdError) else str(error)
                if text != problem:
                    say(f"looking again: {text}")
                problem = text
            time.sleep(service_params(layout).poll_seconds)


def main(arguments: Sequence[str]) -> int:
    """Watch the inbox of one workspace; the exit code."""
    die_with_parent()

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    try:
        watch(Layout(Path(arguments[0])), say)
    except BaseException as error:
        return exit_code_for(error)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    sys.exit(main(sys.argv[1:]))
