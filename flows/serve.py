"""`python -m flows.serve`: what `asd serve` starts. Keeps the parts of the service alive, stops them all.

Parts: a Prefect server (unless one is named), the runner of the deployments, the watcher of the
inbox, the audit page. Each is a process of its own that dies with this one, also by `kill -9`. A
part that ends is started again, each time a little later.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asd import store
from asd.cli.failure import exit_code_for
from asd.errors import ParamsError
from asd.intake.arrivals import is_remote
from asd.layout import Layout
from asd.lifeline import PARENT, die_with_parent, kill_group
from asd.operations.run_branch import check_branch
from asd.params import load_workspace
from asd.readiness import protect_local
from asd.run_lock import hold_service
from flows._server import Server, is_free, named_server, settings

_LOOK_EVERY = 0.5  # seconds between two looks at the parts
_DELAYS = (1, 2, 5, 10, 30, 60)  # seconds before a part is started again
_STEADY = 120.0  # seconds after which its earlier ends are forgotten
_SERVER_SECONDS = 300.0  # a machine that has just been switched on is busy
_PAGE_SECONDS = 60.0
_TERMINATED = 143


class Part:
    """A process of the service, started again when it ends."""

    def __init__(self, name: str, words: Sequence[str], root: Path) -> None:
        self.name = name
        self._words, self._root = list(words), root
        self._process: subprocess.Popen[str] | None = None
        self._began = self._due = 0.0
        self._ends = 0

    def start(self) -> None:
        """Start it; its lines go to ours, with its name in front."""
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, *self._words],
            cwd=self._root,
            env={**os.environ, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            say(f"{self.name}: {line.rstrip()}")

    def look(self) -> None:
        """Start it again if it has ended and its time has come."""
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._ends = 1 if now - self._began > _STEADY else self._ends + 1
            delay = _DELAYS[min(self._ends, len(_DELAYS)) - 1]
            say(f"{self.name} ended with exit code {code}; it is started again in {delay} s")
            self.stop()
            self._process, self._due = None, now + delay
        elif now >= self._due:
            self.start()

    def stop(self) -> None:
        """End it and its group at once: whatever works in it is made to be killed."""
        if self._process is not None:
            kill_group(self._process.pid)
            self._process.wait()


class ServerPart:
    """The Prefect server of the service, on a port that stays the same."""

    def __init__(self, port: int, *, verbose: bool) -> None:
        self._port, self._verbose = port, verbose
        self._server = Server(os.environ, port=port, verbose=verbose)
        self.url = self._server.url

    def wait(self) -> None:
        """Block until it answers."""
        self._server.wait(_SERVER_SECONDS)

    def look(self) -> None:
        """Start it again if it has ended."""
        code = self._server.poll()
        if code is not None:
            say(f"the Prefect server ended with exit code {code}; it is started again")
            time.sleep(_DELAYS[0])
            self._server = Server(os.environ, port=self._port, verbose=self._verbose)

    def stop(self) -> None:
        """End it."""
        self._server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; the exit code."""
    die_with_parent()
    signal.signal(signal.SIGTERM, _terminate)
    options = _options(arguments)
    try:
        with hold_service(Layout(options.workspace)):
            serve(options)
    except BaseException as error:
        return exit_code_for(error)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.serve")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--prefect-port", type=int, default=4200)
    parser.add_argument("--no-runner", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(arguments)


def serve(options: argparse.Namespace) -> None:
    """Start everything, say where it is, keep it alive.

    Raises:
        ParamsError: the params are wrong, a port is taken, or a named server does not answer.
    """
    layout = Layout(options.workspace)
    _check(layout, options)
    protect_local(layout)
    os.environ.update(settings(layout, verbose=options.verbose))
    named = named_server()
    with contextlib.ExitStack() as stack:
        parts: list[Part | ServerPart] = []
        if named is None:
            own = ServerPart(options.prefect_port, verbose=options.verbose)
            stack.callback(own.stop)
            own.wait()
            parts.append(own)
            os.environ["PREFECT_API_URL"] = named = own.url
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO" if options.verbose else "CRITICAL"
        for part in _parts(layout, options):
            stack.callback(part.stop)
            part.start()
            parts.append(part)
        _wait_for_port(options.host, options.port)
        stack.enter_context(_facts(layout, _addresses(layout, options, named)))
        while True:
            time.sleep(_LOOK_EVERY)
            for each in parts:
                each.look()


def _wait_for_port(host: str, port: int) -> None:
    """Give the page a moment to come up, so that the address that is said next answers."""
    give_up = time.monotonic() + _PAGE_SECONDS
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(_LOOK_EVERY)


def _check(layout: Layout, options: argparse.Namespace) -> None:
    params = load_workspace(layout.root).params.service
    if options.no_runner and params.name is None:
        raise ParamsError(
            "--no-runner needs service.name in params.yaml: the name of the deployments in prefect.yaml"
        )
    if params.commit:
        check_branch(layout, params.branch)
    if not is_remote(params.inbox):
        (layout.root / params.inbox).mkdir(parents=True, exist_ok=True)
    ports = [("--port", options.host, options.port)]
    if "PREFECT_API_URL" not in os.environ:
        ports.append(("--prefect-port", "127.0.0.1", options.prefect_port))
        if options.port == options.prefect_port:
            raise ParamsError(f"--port and --prefect-port are both {options.port}; give each its own")
    for word, host, port in ports:
        if not is_free(host, port):
            raise ParamsError(f"port {port} of {host} is taken; choose another one with {word}")


def _parts(layout: Layout, options: argparse.Namespace) -> Iterator[Part]:
    root = str(layout.root)
    if not options.no_runner:
        yield Part("runner", ["-m", "flows.deployments", root], layout.root)
    yield Part("watcher", ["-m", "flows.watch", root], layout.root)
    page = [
        "-m",
        "asd",
        "audit",
        "serve",
        "--workspace",
        root,
        "--host",
        options.host,
        "--port",
        str(options.port),
    ]
    yield Part("audit", page, layout.root)


def _addresses(layout: Layout, options: argparse.Namespace, api: str) -> dict[str, str]:
    host = f"[{options.host}]" if ":" in options.host else options.host
    inbox = load_workspace(layout.root).params.service.inbox
    return {
        "audit": f"http://{host}:{options.port}/",
        "prefect": api.removesuffix("/api") + "/",
        "api": api,
        "inbox": inbox if is_remote(inbox) else str(layout.root / inbox),
    }


@contextlib.contextmanager
def _facts(layout: Layout, addresses: Mapping[str, str]) -> Iterator[None]:
    """Say where everything is, and write it down for `asd run` and `asd status`."""
    store.write_json(layout.service_facts, {**addresses, "pid": os.getpid()})
    say(f"audit:   {addresses['audit']}")
    say(f"prefect: {addresses['prefect']}")
    say(f"inbox:   {addresses['inbox']}/SOURCE/NAME")
    say("Ctrl-C ends it")
    try:
        yield
    finally:
        layout.service_facts.unlink(missing_ok=True)


def say(text: str) -> None:
    """A line for a person."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
