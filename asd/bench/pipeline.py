"""What `asd run` costs beside the steps: per stale stage, and once a run."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from asd.errors import AsdError
from asd.lifeline import PARENT

FEW, MANY = 2, 8  # trials; each has stage1 and audit beside one fetch
PER_STAGE, EPHEMERAL, RUNNING = 2.5, 20.0, 5.0
"""Seconds that are allowed: for a stale stage, for a run with a server of its own, with one that runs."""

_PARAMS = """
cells: {{datasets: [digits], attacks: [badnets], defenses: [none], trials: {trials}}}
model: {{use: small_resnet}}
datasets: {{digits: {{}}}}
attacks: {{badnets: {{}}}}
defenses: {{none: {{}}}}
"""
_PIPELINE = """
stages:
  fetch:
    matrix: {dataset: "${cells.datasets}"}
    cmd: ': > ${item.dataset}.fetch'
    deps: [orders]
    outs: ["${item.dataset}.fetch"]
  stage1:
    matrix: &cell
      dataset: ${cells.datasets}
      attack: ${cells.attacks}
      defense: ${cells.defenses}
      trial: ${cells.trials}
    cmd: ': > ${item.trial}.stage1'
    deps: ["${item.dataset}.fetch"]
    outs: ["${item.trial}.stage1"]
  audit:
    matrix: *cell
    cmd: ': > ${item.trial}.audit'
    deps: ["${item.trial}.stage1"]
    outs: ["${item.trial}.audit"]
"""


@dataclass(frozen=True)
class Overhead:
    """Seconds of `asd run` on stages that do nothing.

    Attributes:
        server: `ephemeral` (of the run) or `running` (that of `asd serve`, say).
        few, many: stale stages of the two runs.
        seconds_few, seconds_many: what they took.
        allowed_few, allowed_many: what they may take.
        load: of the machine when it began, processes that want a core.
    """

    server: str
    few: int
    many: int
    seconds_few: float
    seconds_many: float
    allowed_few: float
    allowed_many: float
    load: float

    @property
    def per_stage(self) -> float:
        """Seconds that one more stale stage costs."""
        return (self.seconds_many - self.seconds_few) / (self.many - self.few)

    @property
    def per_run(self) -> float:
        """Seconds of a run beside its stages."""
        return self.seconds_few - self.few * self.per_stage


def measure(say: Callable[[str], None]) -> list[Overhead]:
    """Run the same made-up pipeline with a server of its own and with one that runs.

    Raises:
        AsdError: a run failed.
    """
    with tempfile.TemporaryDirectory(prefix="asd-bench-") as folder:
        home = Path(folder)
        found = [_measure("ephemeral", home / "e", {}, EPHEMERAL, say)]
        with _server(home) as url:
            found.append(_measure("running", home / "r", {"PREFECT_API_URL": url}, RUNNING, say))
    return found


def _measure(
    server: str, home: Path, more: Mapping[str, str], allowed: float, say: Callable[[str], None]
) -> Overhead:
    load = os.getloadavg()[0]
    seconds: list[float] = []
    stages: list[int] = []
    _run(_workspace(home / "warm", 1), more)  # Prefect makes its database, Python its bytecode
    for trials in (FEW, MANY):
        root = _workspace(home / f"{trials}", trials)
        if "PREFECT_API_URL" not in more:  # no run but the first ever makes a database
            (root / ".asd").mkdir()
            (home / "warm" / ".asd" / "prefect").rename(root / ".asd" / "prefect")
        seconds.append(_run(root, more))
        stages.append(1 + 2 * trials)
        say(f"{server} server: {stages[-1]} stages in {seconds[-1]:.1f} s")
        if "PREFECT_API_URL" not in more:
            (root / ".asd" / "prefect").rename(home / "warm" / ".asd" / "prefect")
    few, many = (count * PER_STAGE + allowed for count in stages)
    return Overhead(server, stages[0], stages[1], seconds[0], seconds[1], few, many, load)


def _workspace(root: Path, trials: int) -> Path:
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = True\n    check_update = False\n")
    (root / "params.yaml").write_text(_PARAMS.format(trials=list(range(trials))))
    (root / "dvc.yaml").write_text(_PIPELINE)
    (root / "orders").touch()
    return root


def _run(root: Path, more: Mapping[str, str]) -> float:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "asd", "run", "--workspace", str(root)],
        env={**_environment(root), **more},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AsdError(f"asd run ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return time.monotonic() - begin


def _environment(root: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return {**kept, "DVC_SITE_CACHE_DIR": str(root / "site"), "DVC_NO_ANALYTICS": "1"}


@contextlib.contextmanager
def _server(home: Path) -> Iterator[str]:
    """A Prefect server that runs before the run begins."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more = {"PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with subprocess.Popen(
        [sys.executable, "-m", "flows._server_child", str(port)],
        env={**_environment(home), **more, PARENT: str(os.getpid())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}/api"
            while not _answers(f"{url}/health"):
                if process.poll() is not None:
                    raise AsdError("the Prefect server did not start")
                time.sleep(0.2)
            yield url
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
