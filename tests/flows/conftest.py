"""A workspace whose stages sleep instead of training, and one Prefect server for the session."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAKE_STEP = Path(__file__).parent / "fake_step.py"

PARAMS = """
cells: {datasets: [digits], attacks: [badnets], defenses: [none], trials: [0, 1]}
model: {use: small_resnet}
datasets: {digits: {}}
attacks: {badnets: {}}
defenses: {none: {}}
"""


def _stage(name: str, dimensions: list[str], needs: str, out: str) -> str:
    item = "-".join(f"${{item.{dimension}}}" for dimension in dimensions)
    matrix = "".join(f"\n      {dimension}: ${{cells.{dimension}s}}" for dimension in dimensions)
    return (
        f"  {name}:\n    matrix:{matrix}\n"
        f"    cmd: exec {sys.executable} {FAKE_STEP} {name}@{item} {out}\n"
        f"    deps:\n      - {needs}\n    outs:\n      - {out}\n"
    )


def _pipeline() -> str:
    ends = ["dataset", "attack", "defense", "trial"]
    cell = ".".join(f"${{item.{dimension}}}" for dimension in ends)
    return "stages:\n" + "".join(
        [
            _stage("fetch", ["dataset"], "orders.json", "data/${item.dataset}.fetch"),
            _stage("stage1", ends, "data/${item.dataset}.fetch", f"data/{cell}.stage1"),
            _stage("audit", ends, f"data/{cell}.stage1", f"data/{cell}.audit"),
        ]
    )


class FakeWorkspace:
    """Two cells, `digits/badnets/none/0` and `/1`: fetch, then stage1 and audit of each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / ".dvc").mkdir(parents=True)
        (root / ".dvc" / "config").write_text("[core]\n    no_scm = True\n    check_update = False\n")
        (root / "params.yaml").write_text(PARAMS)
        (root / "dvc.yaml").write_text(_pipeline())
        self.order()

    def order(self, **stages: dict[str, Any]) -> None:
        """What stages shall do; `stage1_0` is stage1 of trial 0."""
        names = {}
        for short, what in stages.items():
            step, _, trial = short.partition("_")
            names[f"{step}@digits" + (f"-badnets-none-{trial}" if trial else "")] = what
        (self.root / "orders.json").write_text(json.dumps(names))

    def pids(self, stage: str) -> list[int]:
        """Process ids of all runs of a stage."""
        file = self.root / "pids" / stage
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def wait_for(self, stage: str, runs: int = 1) -> int:
        """Wait until a stage has begun (a run of it); its process id."""
        for _ in range(2400):
            if len(self.pids(stage)) >= runs:
                return self.pids(stage)[runs - 1]
            time.sleep(0.05)
        raise AssertionError(f"{stage} did not begin in two minutes")

    def environment(self) -> dict[str, str]:
        """For child processes: this checkout first, nothing written outside the workspace."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        return {**kept, "PYTHONPATH": str(ROOT), "DVC_SITE_CACHE_DIR": str(self.root / "site")}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWorkspace:
    made = FakeWorkspace(tmp_path / "workspace")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(made.root / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return made


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())
    with warnings.catch_warnings():  # sockets that Prefect left unclosed
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
