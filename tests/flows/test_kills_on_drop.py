"""Twenty `kill -9` of `on_drop`, then one run that ends: the bytes of a run that was never broken."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from asd.drop_records import read_records
from asd.layout import Layout
from asd.shards.manifest import read_index
from flows._locks import clear_dead_rwlock
from tests.flows import drops
from tests.flows.served import environment, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(6000),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
HERE = Path(__file__).parent
MOMENTS = [  # words of the process that works just then; a seeded moment after it has begun
    *("asd drop add", "asd drop add", "asd step fetch", "asd step prepare", "asd step poison"),
    *("asd step seed", "asd step stage1", "asd step stage1", "asd step stage2", "asd step stage3"),
    *("asd step stage3", "asd step evaluate", "asd step audit", "asd audit", "after_run"),
]
LONG = {  # seconds in which a moment may come; a part that is not named here is done within a second or two
    "asd drop add": 1.5,
    "asd step fetch": 1.0,
    "asd step stage1": 1.5,
    "asd step stage2": 1.5,
    "asd step stage3": 1.5,
}
RENAMES = {  # part of the run -> what is about to get its name
    "the drop's folder": r"data/drops/0001$",
    "the drop's record": r"/drops/0001\.json$",
    "the data set": r"data/fetched/drops/train$",
    "a stage": r"/stage2$",
    "the audit": r"audit/samples\.parquet$|/audit$",
}


class Killed:
    """One workspace whose flow is killed again and again."""

    def __init__(self, layout: Layout, server: str) -> None:
        self.layout = layout
        self.place = layout.inbox / "acme" / "monday"
        self.plan = layout.root.parent / f"{layout.root.name}-plan.json"
        paths = os.pathsep.join([str(HERE / "killing"), str(HERE.parents[1])])
        self.environment = environment(PREFECT_API_URL=server, ASD_KILL_PLAN=str(self.plan))
        self.environment["PYTHONPATH"] = paths

    def start(self) -> subprocess.Popen[str]:
        words = [str(self.layout.root), str(self.place), "acme", "monday"]
        command = [sys.executable, str(HERE / "run_on_drop.py"), *words]
        return subprocess.Popen(
            command,
            cwd=self.layout.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_at(self, words: str, seconds: float) -> bool:
        """Kill a run a moment after a process with `words` has begun; False if the run ended first."""
        with self.start() as flow:
            wait_for(lambda: flow.poll() is not None or self.works(words), words, 900)
            time.sleep(seconds)
            came = flow.poll() is None
            flow.kill()
        self.all_gone()
        return came

    def kill_at_rename(self, name: str) -> None:
        """Kill a run between the write and the rename of a file or folder."""
        with self.start() as flow:
            self.plan.write_text(json.dumps({"name": name, "flow": flow.pid}))
            output = flow.stdout.read() if flow.stdout else ""
        assert flow.returncode == -9, output
        assert not self.plan.exists()
        self.all_gone()

    def finish(self) -> str:
        with self.start() as flow:
            output = flow.stdout.read() if flow.stdout else ""
        assert flow.returncode == 0, output
        return output

    def works(self, words: str) -> bool:
        return any(words in line for line in self.alive())

    def alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                line, folder = " ".join(process.cmdline()), process.cwd()
            except psutil.Error:
                continue
            if folder == str(self.layout.root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(line.replace("-m asd ", "asd ").replace("bin/asd ", "asd "))
        return found

    def all_gone(self) -> None:
        wait_for(lambda: not self.alive(), f"the end of {self.alive()}", 30)

    def check(self) -> None:
        """What is true after every kill: records are whole, and dvc can say what is stale and why.

        Of a lock of dvc's whose process is dead every run of ours takes the file away first.
        """
        clear_dead_rwlock(self.layout.root)
        for record in read_records(self.layout):
            assert (self.layout.drop(record.number) / "manifest.json").is_file()
        # a process that was just killed and not yet waited for still counts as alive for dvc
        answers: list[subprocess.CompletedProcess[str]] = []

        def answered() -> bool:
            answers.append(self.status())
            return answers[-1].returncode == 0

        wait_for(answered, "an answer of dvc status", 60)
        assert isinstance(json.loads(answers[-1].stdout), dict)

    def status(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dvc", "status", "--json"],
            cwd=self.layout.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def contents(layout: Layout) -> dict[str, str]:
    """Every file that must be equal in two runs, and its SHA-256."""
    found = {}
    for folder in ("data/drops", "data/fetched", "data/seeds", "data/runs"):
        for file in sorted((layout.root / folder).rglob("*")):
            if file.is_file() and file.parent.name != "timing" and file.stem != "report":
                name = file.relative_to(layout.root).as_posix()
                found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def test_twenty_kills_lose_and_double_nothing(tmp_path: Path, prefect_server: str) -> None:
    layouts = [
        drops.workspace(tmp_path / name, tmp_path / f"seeds-{name}", "service.commit=true")
        for name in ("whole", "killed")
    ]
    for layout in layouts:
        drops.put_folder(layout, "acme/monday", drops.pictures(range(drops.PER_CLASS)))
    whole, killed = (Killed(layout, prefect_server) for layout in layouts)
    whole.finish()

    chance, came, renames = random.Random(5), 0, dict(RENAMES)
    for words in MOMENTS:
        for name in _renames_now(words, renames):  # first: a quick part may be done before a moment comes
            killed.kill_at_rename(renames.pop(name))
            killed.check()
        came += killed.kill_at(words, chance.uniform(0.0, LONG.get(words, 0.5)))
        killed.check()
    assert renames == {}
    assert came == len(MOMENTS), f"{came} of {len(MOMENTS)} kills came before the end of the run"
    output = killed.finish()
    assert "drop 1 (acme/monday)" in output

    wanted, found = contents(whole.layout), contents(killed.layout)
    assert found == wanted
    keys = [
        key for split in ("train", "test") for key in read_index(killed.layout.fetched("drops", split)).keys
    ]
    assert len(keys) == len(set(keys)) == 3 * drops.PER_CLASS
    assert [record.accepted for record in read_records(killed.layout)] == [3 * drops.PER_CLASS]
    left = [path for path in killed.layout.root.rglob("*") if ".tmp-" in path.name]
    assert left == []


def _renames_now(words: str, waiting: dict[str, Any]) -> list[str]:
    """The renames to be hit before this moment: those of the part that works then."""
    place = {
        "asd drop add": ["the drop's folder", "the drop's record"],
        "asd step fetch": ["the data set"],
        "asd step stage2": ["a stage"],
        "asd step audit": ["the audit"],
    }
    return [name for name in place.get(words, []) if name in waiting]
