"""A pipeline on 200 digits with a network of two narrow stages: a whole cell takes a few seconds."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from asd.audit.reviews import PersonsVerdict, append_review
from asd.layout import Cell, Layout
from asd.new_workspace import create
from asd.params import load_workspace
from asd.params_file import set_params
from asd.progress import Reporter
from asd.readiness import make_ready
from asd.registry import step_module
from asd.seeds.trusted import Vouched, write_trusted
from asd.shards.manifest import read_index, read_manifest
from asd.steps import DIMENSIONS, STEPS, StepItem

CHECKOUT = Path(__file__).parents[2]
CELLS = tuple(Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))
TINY = (
    "datasets.digits.limit=200",
    "datasets.digits.limit_test=100",
    "attacks.badnets.poison_fraction=0.1",
    "model.widths=[4, 8]",
    "model.strides=[1, 2]",
    "defenses.none.stage1.epochs=4",
    "defenses.asd.common.w=5",
    "defenses.asd.common.batch=16",
    "defenses.asd.common.iterations=3",
    "defenses.asd.common.last_epoch=9",
    "defenses.asd.stage1.end=3",
    "defenses.asd.stage1.n=2",
    "defenses.asd.stage1.t=1",
    "defenses.asd.stage2.end=6",
    "defenses.asd.stage3.meta.min_steps=0",
    "defenses.asd.stage3.meta.batch=64",
)


class Pipeline:
    """One workspace, its steps run in this process, its commands as children."""

    def __init__(self, root: Path, changes: Iterable[str] = ()) -> None:
        self.root = create(root, "digits").root
        set_params(self.root, [*TINY, *changes])
        make_ready(self.root)

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    def copy(self, root: Path, *leave: str) -> Pipeline:
        """The same workspace elsewhere, without the folders `leave`."""
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns(*leave))
        made = object.__new__(Pipeline)
        made.root = root
        return made

    def step(self, name: str, cell: Cell) -> str:
        """Run one step in this process; what it said."""
        given = {word: getattr(cell, word) for word in DIMENSIONS[name]}
        said = io.StringIO()
        step_module(name).run(load_workspace(self.root), StepItem(**given), Reporter(name, str(cell), said))
        return said.getvalue()

    def steps(self, cells: Iterable[Cell] = CELLS, names: Iterable[str] = STEPS) -> None:
        """Run steps in order; what two cells share runs once."""
        done: set[tuple[object, ...]] = set()
        for cell in cells:
            for name in names:
                once = (name, *(getattr(cell, word) for word in DIMENSIONS[name]))
                if once not in done:
                    self.step(name, cell)
                    done.add(once)

    def contents(self, below: str = "data") -> dict[str, str]:
        """Every file that must be equal in two runs, and its SHA-256; seconds differ, so two do not count."""
        found = {}
        for file in sorted((self.root / below).rglob("*")):
            if file.is_file() and file.parent.name != "timing" and file.stem != "report":
                name = file.relative_to(self.root).as_posix()
                found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        assert found, f"nothing below {self.root / below}"
        return found

    # -- commands ------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        """One thread, this checkout, no Prefect server of somebody else."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "DVC_"))}
        fixed = {"OMP_NUM_THREADS": "1", "ASD_THREADS": "1", "ASD_DEVICE": "cpu", "SHELL": "/bin/sh"}
        bin_ = Path(sys.executable).parent
        path = os.pathsep.join([str(bin_), kept.get("PATH", os.defpath)])
        return {**kept, **fixed, "PYTHONPATH": str(CHECKOUT), "DVC_NO_ANALYTICS": "1", "PATH": path}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start `dvc ...` or `asd ...`; both outputs in one pipe."""
        program = {"dvc": [sys.executable, "-m", "dvc"], "asd": [_asd()]}[command[0]]
        return subprocess.Popen(
            [*program, *command[1:]],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self.start(*command) as process:
            output = process.stdout.read() if process.stdout else ""
        return subprocess.CompletedProcess(command, process.returncode, output, "")


def _asd() -> str:
    return str(Path(sys.executable).parent / "asd")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASD_THREADS", "1")
    monkeypatch.setenv("ASD_DEVICE", "cpu")


@pytest.fixture
def make_pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """Make a workspace below the test's folder."""

    def make(name: str = "w", *changes: str) -> Pipeline:
        return Pipeline(tmp_path / name, changes)

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A workspace with both cells done, for reading only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASD_THREADS", "1")
        patch.setenv("ASD_DEVICE", "cpu")
        pipeline = Pipeline(tmp_path_factory.mktemp("finished") / "w")
        pipeline.steps()
    return pipeline


def vouch(layout: Layout, per_class: int) -> None:
    """Ada vouches for the first pictures of every class, Ben for those of class 0."""
    index, manifest = (read(layout.fetched("digits", "train")) for read in (read_index, read_manifest))
    rows, taken = [], dict.fromkeys(range(len(manifest.class_names)), 0)
    for key, label, content in zip(index.keys, index.labels.tolist(), index.content, strict=True):
        if taken[label] < per_class:
            taken[label] += 1
            name = manifest.class_names[label]
            rows.append(Vouched("digits", name, key, content, "Ada" if label else "Ben", "2026-01-31"))
    write_trusted(layout.trusted_seeds, rows)


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A cell that is done and recorded by DVC, with seeds, reviews and a gate; for reading only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASD_THREADS", "1")
        patch.setenv("ASD_DEVICE", "cpu")
        changes = ("seeds.use=keys", "gates.least_acc=0.0", "cells.defenses=[asd]")
        pipeline = Pipeline(tmp_path_factory.mktemp("audited") / "w", changes)
        pipeline.step("fetch", CELLS[0])
        vouch(pipeline.layout, 12)
        about = {"dataset": "digits", "key": "k", "label": "0", "run": str(CELLS[0]), "by": "Ada"}
        words: tuple[PersonsVerdict, ...] = ("clean", "poisoned", "clean")
        for digit, said in zip("123", words, strict=True):
            append_review(pipeline.layout, content_sha256=digit * 64, verdict_by_person=said, **about)
        pipeline.steps(CELLS[:1])
    done = pipeline.command("dvc", "commit", "--force", "--quiet")
    assert done.returncode == 0, done.stdout
    return pipeline


# -- kills -------------------------------------------------------------------------------


class KilledPipeline(Pipeline):
    """A workspace whose `asd` is killed at chosen moments (see `killed_asd.py`)."""

    def __init__(self, root: Path, changes: Iterable[str] = ()) -> None:
        super().__init__(root, changes)
        script = self.root / ".venv" / "bin" / "asd"
        script.parent.mkdir(parents=True)
        text = (Path(__file__).parent / "killed_asd.py").read_text()
        script.write_text(f"#!{sys.executable}\n{text}")
        script.chmod(0o755)

    def plan(self, *kills: dict[str, object]) -> None:
        """What shall be killed from now on."""
        (self.layout.local / "kills.json").write_text(json.dumps(kills))
        (self.layout.local / "victim").unlink(missing_ok=True)

    @property
    def killed(self) -> list[str]:
        """What was killed so far, a line each."""
        log = self.layout.local / "killed"
        return log.read_text().splitlines() if log.exists() else []

    def alive(self) -> list[str]:
        """Processes that work in this workspace: by their folder or their words."""
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

    def left_alive(self, seconds: float = 5.0) -> list[str]:
        """Processes still there after a moment in which the kernel may end them."""
        give_up = time.monotonic() + seconds
        while self.alive() and time.monotonic() < give_up:
            time.sleep(0.05)
        return self.alive()


@pytest.fixture
def make_killed(tmp_path: Path) -> Callable[..., KilledPipeline]:
    """Make a workspace that can be killed."""

    def make(name: str = "k", *changes: str) -> KilledPipeline:
        return KilledPipeline(tmp_path / name, changes)

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB of its own, where this machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
