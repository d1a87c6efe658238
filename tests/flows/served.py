"""`asd serve` as a real process, and what its server says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds until a test gives up


def wait_for(what: Callable[[], Any], words: str, seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true; the answer."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        found = what()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError(f"not in {seconds:.0f} s: {words}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """This checkout, one thread, no other Prefect."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "DVC_"))}
    fixed = {"OMP_NUM_THREADS": "1", "ASD_THREADS": "1", "ASD_DEVICE": "cpu", "DVC_NO_ANALYTICS": "1"}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, **fixed, "PYTHONPATH": str(ROOT), "PATH": path, "DO_NOT_TRACK": "1", **more}


def _ask(request: urllib.request.Request, tries: int = 20) -> Any:
    """The answer; a server whose SQLite is busy says 503 and is asked again."""
    for left in reversed(range(tries)):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or not left:
                raise
            time.sleep(1.0)
    raise AssertionError("never")


class Api:
    """The few questions to a Prefect server that the tests have."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, body: Any) -> Any:
        """One request; OSError where the server is away."""
        data = json.dumps(body).encode()
        return _ask(urllib.request.Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"}))

    def get(self, path: str) -> Any:
        """One question; OSError where the server is away."""
        return _ask(urllib.request.Request(f"{self.url}/{path}"))

    def deployment(self, flow: str) -> str | None:
        """The id of the only deployment of a flow."""
        try:
            found = self.post("deployments/filter", {"flows": {"name": {"any_": [flow]}}})
        except OSError:  # busy for a moment
            return None
        return found[0]["id"] if found else None

    def start(self, flow: str, **parameters: Any) -> str:
        """Start a run by hand; its id."""
        deployment = wait_for(lambda: self.deployment(flow), f"deployment of {flow}")
        now = {"scheduled_time": datetime.now(UTC).isoformat()}
        state = {"type": "SCHEDULED", "name": "Scheduled", "state_details": now}
        body = {"parameters": parameters, "idempotency_key": str(uuid.uuid4()), "state": state}
        return str(self.post(f"deployments/{deployment}/create_flow_run", body)["id"])

    def run(self, run: str) -> dict[str, Any]:
        return self.get(f"flow_runs/{run}")

    def state(self, run: str) -> str:
        """Its state; empty while the server is away."""
        try:
            return str(self.run(run)["state_name"])
        except OSError:
            return ""

    def wait(self, run: str, *states: str, seconds: float = PATIENCE) -> str:
        """Wait until a run has one of these states."""
        found = lambda: self.state(run) in states and self.state(run)  # noqa: E731
        return str(wait_for(found, f"{run} to be one of {states}, is {self.state(run)}", seconds))

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """All runs of a flow, the first first; none while the server is away."""
        try:
            body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_ASC", "limit": 200}
            return list(self.post("flow_runs/filter", body))
        except OSError:
            return []

    def artifacts(self, run: str) -> dict[str, Any]:
        """Key -> data of the artifacts of a run."""
        found = self.post("artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}, "limit": 200})
        return {one["key"]: one["data"] for one in found}


class Service:
    """`asd serve` of a workspace, on ports of its own that stay the same."""

    def __init__(self, root: Path, **variables: str) -> None:
        self.root = root
        self.ports = {"page": free_port(), "prefect": free_port()}
        self.environment: Mapping[str, str] = environment(**variables)
        named = variables.get("PREFECT_API_URL")
        self.api = Api(named or f"http://127.0.0.1:{self.ports['prefect']}/api")
        self.lines: list[str] = []

    def start(self, *words: str) -> Service:
        """Start it and wait until it has said where everything is."""
        ports = [f"--port={self.ports['page']}", f"--prefect-port={self.ports['prefect']}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asd", "serve", "--workspace", str(self.root), *ports, *words],
            env={**self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        wait_for(lambda: self.said("Ctrl-C ends it") or self.process.poll() is not None, "addresses")
        assert self.process.poll() is None, self.text
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.lines.append(line)

    @property
    def text(self) -> str:
        """All that it said since its start."""
        return "".join(self.lines)

    def said(self, pattern: str) -> bool:
        return re.search(pattern, self.text) is not None

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal to the command itself; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def alive(self) -> list[str]:
        """Processes that work in the workspace or name it."""
        found = []
        for process in psutil.process_iter():
            try:
                words, folder = process.cmdline(), process.cwd()
            except psutil.Error:
                continue
            inside = Path(folder).is_relative_to(self.root) or any(str(self.root) in word for word in words)
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(words)}")
        return found

    def process_of(self, words: str) -> psutil.Process:
        """The process of the workspace whose command line holds `words`."""
        pid = wait_for(lambda: next((p for p in self.alive() if words in p), None), words).split()[0]
        return psutil.Process(int(pid))

    def all_gone(self) -> None:
        """Wait until nothing of the workspace lives."""
        wait_for(lambda: not self.alive(), f"the end of {self.alive()}", 30)
