"""A Prefect server for one run, on a free loopback port; unless `PREFECT_API_URL` names one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from asd.errors import AsdError, ParamsError
from asd.layout import Layout
from asd.lifeline import PARENT
from asd.operations.foreign_errors import explain_prefect
from flows._service import service_facts

STARTUP_SECONDS = 90.0
_POLL_SECONDS = 0.1
_DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_LOG_TAIL = 2000  # characters
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(int(STARTUP_SECONDS)),
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # Prefect's own one outlives a kill -9
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_CLI_PROMPT": "false",
}
_FOR_ONE_RUN = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}


def settings(layout: Layout, *, verbose: bool = False) -> dict[str, str]:
    """Environment for Prefect in this workspace; what the user has set stays."""
    quiet = {} if verbose else {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    ours = {**_QUIET, **quiet, "PREFECT_HOME": str(layout.local / "prefect")}
    return {key: value for key, value in ours.items() if key not in os.environ}


class Server:
    """A server child; `wait` until it answers, `stop` it.

    With a `port` it is one of the service: it has pages, and runs schedules and automations.
    """

    def __init__(
        self, environment: Mapping[str, str], *, port: int | None = None, verbose: bool = False
    ) -> None:
        self._verbose = verbose
        self._serves = port is not None
        self.port = _free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}/api"
        home = Path(environment["PREFECT_HOME"])
        home.mkdir(parents=True, exist_ok=True)
        self._log = home / ("service.log" if self._serves else "server.log")
        kind = _lasting(home, self.url) if self._serves else _FOR_ONE_RUN
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows._server_child", str(self.port)],
                env={**environment, **kind, PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """The exit code of the server; None while it lives."""
        return self._process.poll()

    def wait(self, seconds: float = STARTUP_SECONDS) -> None:
        """Block until the server answers.

        Raises:
            AsdError: it ended, or did not answer in time.
        """
        give_up = time.monotonic() + seconds
        while not _answers(f"{self.url}/health"):
            code = self._process.poll()
            if code is not None or time.monotonic() > give_up:
                what = (
                    f"ended with exit code {code}"
                    if code is not None
                    else f"did not answer in {seconds:.0f} s"
                )
                raise AsdError(self._what_happened(what))
            time.sleep(_POLL_SECONDS)

    def _what_happened(self, what: str) -> str:
        log = self._log.read_text(errors="replace")
        explained = explain_prefect(log)
        why = f": {explained}" if explained else _foreign_database()
        raw = f"\nits log ends with: {' '.join(log.split())[-_LOG_TAIL:]}" if self._verbose and log else ""
        if self._serves:
            return f"the Prefect server {what}{why} (its log: {self._log}){raw}"
        return (
            f"the Prefect server of this run {what}{why} (its log: {self._log}); "
            f"`asd run --engine dvc` does the same work without it{raw}"
        )

    def stop(self) -> None:
        """End the server, by force when it does not end in five seconds."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _foreign_database() -> str:
    """A database that does not answer leaves no word in the log."""
    if _DATABASE not in os.environ:
        return ""
    return f": perhaps the database that {_DATABASE} names does not answer; unset it or start that database"


def _lasting(home: Path, url: str) -> dict[str, str]:
    """Settings of a server with pages; those of the API in them lie in the workspace, not in the package."""
    return {
        "PREFECT_UI_ENABLED": "1",
        "PREFECT_UI_API_URL": url,
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
    }


@contextlib.contextmanager
def server(layout: Layout, *, verbose: bool = False) -> Iterator[Server | None]:
    """Set Prefect's environment and start a server; None when the user named one or `asd serve` has one.

    The caller imports prefect only inside, and calls `wait` before the first flow.

    Raises:
        ParamsError: the server that the user named does not answer.
    """
    os.environ.update(settings(layout, verbose=verbose))
    if named_server():
        yield None
        return
    running = str(service_facts(layout).get("api") or "")
    if running and _answers(f"{running}/health"):
        with _named(running):
            yield None
        return
    ours = Server(os.environ, verbose=verbose)
    with _named(ours.url):
        try:
            yield ours
        finally:
            ours.stop()


@contextlib.contextmanager
def _named(url: str) -> Iterator[None]:
    os.environ["PREFECT_API_URL"] = url
    try:
        yield
    finally:
        del os.environ["PREFECT_API_URL"]


def named_server() -> str | None:
    """The server that `PREFECT_API_URL` names, if it does.

    Raises:
        ParamsError: it does not answer.
    """
    named = os.environ.get("PREFECT_API_URL")
    if named and not _answers(f"{named.rstrip('/')}/health"):
        raise ParamsError(f"PREFECT_API_URL: no Prefect server answers at {named}; unset it or start one")
    return named


def is_free(host: str, port: int) -> bool:
    """Whether a port can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never by a proxy
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
