"""`kill -9` at any moment, then the same command: the same bytes as a run that was never broken.

One workspace is killed many times in a row; every rerun goes on from where the last one died.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asd.layout import Cell
from asd.steps import DIMENSIONS, STEPS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

Kill = dict[str, Any]
DVC, FLOW, PLAIN = ("dvc", "repro"), ("asd", "run"), ("asd", "run", "--engine", "dvc")
ASD, NONE = ("--defense asd", "--defense none")
CELLS = tuple(Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))
IMPORTS = 1.0  # seconds of processor time, about, for what a step imports; a moment may be in there too


@dataclass(frozen=True)
class Process:
    """One process of the pipeline in an unbroken run: its step, its arguments, its renames, its seconds."""

    step: str
    words: str
    renames: list[str]
    seconds: float

    @property
    def trains(self) -> bool:
        return self.step == "stage1" or (self.step in ("stage2", "stage3") and ASD in self.words)


@pytest.fixture(scope="module")
def seen(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Process]:
    """What every process of the pipeline does, in an order that dvc could take."""
    pipeline = finished.copy(tmp_path_factory.mktemp("watched") / "w", "data", ".cache")
    processes: dict[tuple[str, str], Process] = {}
    for cell, name in itertools.product(CELLS, STEPS):
        words = " ".join(f"--{word} {getattr(cell, word)}" for word in DIMENSIONS[name])
        if (name, words) not in processes:
            with noted_renames() as renames:
                begin = time.process_time()
                pipeline.step(name, cell)
                seconds = time.process_time() - begin
            processes[name, words] = Process(name, words, renames, seconds)
    return list(processes.values())


@contextlib.contextmanager
def noted_renames() -> Iterator[list[str]]:
    """Every path that gets its name by a rename."""
    noted: list[str] = []

    def noting(original: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def rename(self: Path, target: Path) -> Path:
            noted.append(str(target))
            return original(self, target)

        return rename

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", noting(Path.rename))
        patch.setattr(Path, "replace", noting(Path.replace))
        yield noted


def run_to_the_end(pipeline: Any, command: Sequence[str], kills: Sequence[Kill], per_run: int = 1) -> None:
    """Repeat a command at once until it ends well; nothing but a kill may make it fail.

    Args:
        per_run: most kills that one run of the command lives through (the flow tries again).
    """
    pipeline.plan(*kills)
    for _ in range(len(kills) + 1):
        before = len(pipeline.killed)
        done = pipeline.command(*command)
        fresh = pipeline.killed[before:]
        assert len(fresh) <= per_run, (fresh, done.stdout)
        assert bool(fresh) or done.returncode == 0, done.stdout
        check_words(done.stdout)
        if done.returncode == 0:
            break
    assert json.loads((pipeline.layout.local / "kills.json").read_text()) == [], "some kills never came"
    assert done.returncode == 0, done.stdout
    assert len(pipeline.killed) == len(kills)


def check_words(output: str) -> None:
    """No lock that a user would have to clear, and no traceback."""
    assert not re.search(r"Unable to acquire|is busy|already running|Traceback", output), output


def check_equal(pipeline: Any, finished: Any, *defenses: str) -> None:
    """The bytes of the unbroken run (of these `defenses` alone, if given), and nothing beside them."""
    wanted = finished.contents()
    for cell in CELLS:
        if defenses and cell.defense not in defenses:
            place = finished.layout.run(cell).relative_to(finished.root).as_posix() + "/"
            wanted = {name: sha for name, sha in wanted.items() if not name.startswith(place)}
    assert pipeline.contents() == wanted
    assert not [path for path in pipeline.layout.scratch.rglob("*") if path.is_file()]
    assert not [path for path in pipeline.root.rglob("*") if ".tmp-" in path.name]
    assert pipeline.left_alive() == []


def moment(process: Process, generator: random.Random, **more: Any) -> Kill:
    """A seeded moment inside one process of the pipeline."""
    seconds = generator.uniform(0.01, process.seconds + IMPORTS)
    return {"step": process.step, "cell": process.words, "at": "time", "seconds": seconds, **more}


def epochs(cell: str, **stages: Sequence[int]) -> Iterator[Kill]:
    """One moment inside each of these epochs, at another of the three steps each time."""
    for step, numbers in stages.items():
        for epoch in numbers:
            yield {"step": step, "cell": cell, "at": "train", "epoch": epoch, "number": epoch % 3}


EPOCHS = [
    *epochs(ASD, stage1=(0, 1, 2), stage2=(3, 4, 5), stage3=(6, 7)),
    {"step": "stage3", "cell": ASD, "at": "virtual", "epoch": 8},
    *epochs(ASD, stage3=(8,)),
    *epochs(NONE, stage1=(0, 1, 3)),
]


def renames(seen: list[Process]) -> Iterator[Kill]:
    """Just before the rename of every kind of file and folder, in the order in which they come."""
    kinds = set()
    for process in seen:
        for target in process.renames:
            kind = (NONE in process.words and process.step.startswith("stage"), kind_of(target))
            if kind not in kinds:
                kinds.add(kind)
                yield {
                    "step": process.step,
                    "cell": process.words,
                    "at": "rename",
                    "name": pattern_of(target),
                }


def kind_of(target: str) -> str:
    """The path without numbers; of a file in a temporary folder its ending alone."""
    name = target.rpartition("/w/")[2]
    if re.search(r"\.tmp-\d+/", name):
        return Path(name).suffix
    name = re.sub(r"defense|/(asd|none)/", "/DEFENSE/", name)
    return re.sub(r"\d+", "N", re.sub(r"[0-9a-f]{64}", "HASH", name))


def pattern_of(target: str) -> str:
    """A regular expression for this name in another process and another epoch."""
    name = re.escape(target.rpartition("/w/")[2])
    for old, new in (
        (r"tmp\\-\d+", r"tmp-\\d+"),
        (r"[0-9a-f]{64}", "[0-9a-f]{64}"),
        (r"\b\d{5}\b", r"\\d{5}"),
    ):
        name = re.sub(old, new, name)
    return name + "$"


@pytest.mark.parametrize("command", [DVC, FLOW], ids=["dvc", "flow"])
def test_killed_inside_every_step_and_every_epoch(
    finished: Any, seen: list[Process], make_killed: Callable[..., Any], command: Sequence[str]
) -> None:
    pipeline, generator = make_killed(), random.Random(1)
    others = [moment(process, generator) for process in seen if not process.trains]
    kills = others + EPOCHS
    assert {kill["step"] for kill in kills} == set(STEPS)
    # the flow tries a killed stage again by itself
    run_to_the_end(pipeline, command, kills, per_run=1 if command is DVC else len(kills))
    check_equal(pipeline, finished)


def test_killed_before_every_kind_of_rename(
    finished: Any, seen: list[Process], make_killed: Callable[..., Any]
) -> None:
    pipeline, kills = make_killed(), list(renames(seen))
    names = " ".join(kill["name"] for kill in kills)
    for part in ("fetched/", "poisoned/", "truth/", "seeds/", "/stage1$", "/state$", "/.state.tmp", "pixels"):
        assert part in names.replace("\\", ""), (part, names)
    run_to_the_end(pipeline, DVC, kills)
    check_equal(pipeline, finished)


def test_a_kill_between_the_two_renames_of_a_checkpoint_loses_no_epoch(
    finished: Any, make_killed: Callable[..., Any]
) -> None:
    pipeline = make_killed("k", "cells.defenses=[none]")
    # the second time the folder gets its name, the old one has been moved out of the way
    pipeline.plan({"step": "stage1", "at": "rename", "name": r"/state$", "count": 2})
    assert pipeline.command(*DVC).returncode != 0
    done = pipeline.command(*DVC)
    assert done.returncode == 0, done.stdout
    assert "resumed after epoch 1 " in done.stdout
    check_equal(pipeline, finished, "none")


@pytest.mark.parametrize(
    ("command", "victim"), [(DVC, "parent"), (FLOW, "file"), (PLAIN, "file")], ids=["dvc", "flow", "plain"]
)
def test_the_command_itself_killed_during_a_step_leaves_no_process(
    finished: Any,
    seen: list[Process],
    make_killed: Callable[..., Any],
    command: Sequence[str],
    victim: str,
) -> None:
    pipeline, generator = make_killed("k", "cells.defenses=[asd]"), random.Random(3)
    chosen = [process for process in seen if NONE not in process.words]
    chosen = chosen if command is DVC else chosen[:: 2 if command is FLOW else 3]
    kills = [moment(process, generator, victim=victim) for process in chosen]
    pipeline.plan(*kills)
    for number in range(len(kills) + 1):
        with pipeline.start(*command) as process:
            (pipeline.layout.local / "victim").write_text(str(process.pid))
            output = process.stdout.read()
        if process.returncode == 0:
            break
        assert process.returncode == -9, output
        assert len(pipeline.killed) == number + 1
        if number % 2:  # the other times the rerun follows at once
            assert pipeline.left_alive() == []
    assert process.returncode == 0, output
    assert len(pipeline.killed) == len(kills), pipeline.killed
    check_words(output)
    check_equal(pipeline, finished, "asd")


@pytest.mark.parametrize("command", [DVC, FLOW], ids=["dvc", "flow"])
def test_the_command_itself_killed_at_any_time_leaves_no_process(
    finished: Any, make_killed: Callable[..., Any], command: Sequence[str]
) -> None:
    pipeline, generator = make_killed("k", "cells.defenses=[none]"), random.Random(4)
    for number in range(9):
        with pipeline.start(*command) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(generator.uniform(0.2, 8.0) if number < 8 else None)
            process.kill()
            output = process.stdout.read()
        if number % 2:
            assert pipeline.left_alive() == []
        if process.returncode == 0:
            break
        assert process.returncode == -9, output
    assert process.returncode == 0, output
    check_words(output)
    check_equal(pipeline, finished, "none")


def test_a_process_in_the_workspace_would_be_seen(make_killed: Callable[..., Any]) -> None:
    pipeline = make_killed()
    with subprocess.Popen(["sleep", "60"], cwd=pipeline.root) as process:
        assert [line.split()[0] for line in pipeline.left_alive(0.1)] == [str(process.pid)]
        process.kill()
