"""`kill -9` at any moment, then the same command: the same bytes as a run that was never broken.

One workspace is killed many times in a row; every rerun goes on from where the last one died.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

Kill = dict[str, Any]
DVC, FLOW, PLAIN = ("dvc", "repro"), ("asd", "run"), ("asd", "run", "--engine", "dvc")
ASD, NONE = ("--defense asd", "--defense none")
STEPS = ("fetch", "prepare", "poison", "seed", "stage1", "stage2", "stage3", "evaluate", "audit")


@pytest.fixture(scope="module")
def seen(
    finished: Any, killed_class: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What each process of an unbroken `dvc repro` called and renamed."""
    pipeline = killed_class(tmp_path_factory.mktemp("watched") / "w")
    (pipeline.layout.local / "watch").touch()
    done = pipeline.command(*DVC)
    assert done.returncode == 0, done.stdout
    assert pipeline.contents() == finished.contents()
    return json.loads((pipeline.layout.local / "seen.json").read_text())


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


def check_equal(pipeline: Any, finished: Any) -> None:
    assert pipeline.contents() == finished.contents()
    assert not list(pipeline.layout.scratch.glob("*"))
    assert not [path for path in pipeline.root.rglob("*") if ".tmp-" in path.name]
    assert pipeline.left_alive() == []


def moments(seen: list[dict[str, Any]], generator: random.Random, **more: Any) -> Iterator[Kill]:
    """One seeded moment inside each process of the pipeline."""
    for process in seen:
        step, words = process["words"][0], " ".join(process["words"][1:])
        count = int(process["calls"] * generator.uniform(0.05, 0.85))
        yield {"step": step, "cell": words, "at": "call", "count": count, **more}


def epochs(cell: str, stages: dict[str, Sequence[int]]) -> Iterator[Kill]:
    """One moment inside each of these epochs, at another of the three steps each time."""
    for step, numbers in stages.items():
        for epoch in numbers:
            yield {"step": step, "cell": cell, "at": "train", "epoch": epoch, "number": epoch % 3}


ALL_EPOCHS = [
    *epochs(ASD, {"stage1": (0, 1, 2), "stage2": (3, 4, 5), "stage3": (6, 7, 8)}),
    *({"step": "stage3", "cell": ASD, "at": "virtual", "epoch": 8},),
    *epochs(NONE, {"stage1": (0, 1, 3)}),
]


def renames(seen: list[dict[str, Any]]) -> Iterator[Kill]:
    """Just before the rename of every kind of file and folder, in the order in which they come."""
    kinds = set()
    for process in seen:
        step, words = process["words"][0], " ".join(process["words"][1:])
        who = NONE if NONE in words else ""
        for target in process["renames"]:
            if kind_of(target) not in kinds and (who, kind_of(target)) not in kinds:
                kinds |= {(who, kind_of(target))} | (set() if who else {kind_of(target)})
                yield {"step": step, "cell": words, "at": "rename", "name": pattern_of(target)}


def kind_of(target: str) -> str:
    name = re.sub(r"tmp-\d+", "tmp", re.sub(r"[0-9a-f]{64}", "HASH", target.rpartition("/w/")[2]))
    return re.sub(r"\d+", "N", name)


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


def test_dvc_repro_killed_once_in_every_process(
    finished: Any, seen: list[dict[str, Any]], make_killed: Callable[..., Any]
) -> None:
    pipeline = make_killed()
    kills = list(moments(seen, random.Random(1)))
    assert {kill["step"] for kill in kills} == set(STEPS)
    run_to_the_end(pipeline, DVC, kills)
    check_equal(pipeline, finished)


def test_dvc_repro_killed_in_every_epoch(finished: Any, make_killed: Callable[..., Any]) -> None:
    pipeline = make_killed()
    run_to_the_end(pipeline, DVC, ALL_EPOCHS)
    check_equal(pipeline, finished)


def test_dvc_repro_killed_before_every_kind_of_rename(
    finished: Any, seen: list[dict[str, Any]], make_killed: Callable[..., Any]
) -> None:
    pipeline = make_killed()
    kills = list(renames(seen))
    kinds = " ".join(kill["name"] for kill in kills)
    for part in (
        "fetched",
        "poisoned",
        "truth",
        "seeds",
        r"\.scratch",
        "stage1",
        "metrics",
        r"report",
        "pixels",
    ):
        assert part in kinds
    run_to_the_end(pipeline, DVC, kills)
    check_equal(pipeline, finished)


def test_the_flow_killed_in_every_epoch(finished: Any, make_killed: Callable[..., Any]) -> None:
    pipeline = make_killed()
    run_to_the_end(pipeline, FLOW, ALL_EPOCHS, per_run=len(ALL_EPOCHS))  # each stage is tried three times
    check_equal(pipeline, finished)


def test_the_flow_killed_once_in_every_process(
    finished: Any, seen: list[dict[str, Any]], make_killed: Callable[..., Any]
) -> None:
    pipeline = make_killed()
    kills = list(moments(seen, random.Random(2)))
    run_to_the_end(pipeline, FLOW, kills, per_run=len(kills))
    check_equal(pipeline, finished)


@pytest.mark.parametrize(
    ("command", "victim"), [(DVC, "parent"), (FLOW, "file"), (PLAIN, "file")], ids=["dvc", "flow", "plain"]
)
def test_the_command_itself_killed_during_every_step_leaves_no_process(
    finished: Any,
    seen: list[dict[str, Any]],
    make_killed: Callable[..., Any],
    command: Sequence[str],
    victim: str,
) -> None:
    pipeline = make_killed()
    kills = list(moments(seen, random.Random(3), victim=victim))
    kills = kills if victim == "parent" else kills[1::2]  # each costs the start of a server
    pipeline.plan(*kills)
    for number in itertools.count():
        before = len(pipeline.killed)
        with pipeline.start(*command) as process:
            (pipeline.layout.local / "victim").write_text(str(process.pid))
            output = process.stdout.read()
        if process.returncode == 0:
            break
        assert process.returncode == -9, output
        assert len(pipeline.killed) == before + 1
        if number % 2:  # the other times the rerun follows at once
            assert pipeline.left_alive() == []
    assert "outlived its parent" not in pipeline.killed
    assert len(pipeline.killed) == len(kills)
    check_words(output)
    check_equal(pipeline, finished)


@pytest.mark.parametrize("command", [DVC, FLOW], ids=["dvc", "flow"])
def test_the_command_itself_killed_at_any_time_leaves_no_process(
    finished: Any, make_killed: Callable[..., Any], command: Sequence[str]
) -> None:
    pipeline, generator = make_killed(), random.Random(4)
    begin = time.monotonic()
    for number in itertools.count(1):
        with pipeline.start(*command) as process:
            reader = process.stdout
            try:
                process.wait(generator.uniform(0.2, 12.0) if number <= 12 else None)
            except subprocess.TimeoutExpired:
                process.kill()
            output = reader.read()
        if process.returncode == 0:
            break
        assert process.returncode == -9, output
        if number % 2:
            assert pipeline.left_alive() == []
    check_words(output)
    check_equal(pipeline, finished)
    assert number > 2, f"done in {time.monotonic() - begin:.0f} s before it could be killed"


def test_a_kill_between_the_two_renames_of_a_checkpoint_loses_no_epoch(
    finished: Any, make_killed: Callable[..., Any]
) -> None:
    pipeline = make_killed()
    # the second time the folder gets its name, the old one has been moved out of the way
    pipeline.plan({"step": "stage1", "cell": ASD, "at": "rename", "name": r"/state$", "count": 2})
    assert pipeline.command(*DVC).returncode != 0
    done = pipeline.command(*DVC)
    assert done.returncode == 0, done.stdout
    assert "resumed after epoch" in done.stdout
    check_equal(pipeline, finished)


def test_orphans_die_with_their_folder_in_their_words(make_killed: Callable[..., Any]) -> None:
    """The check for left processes does see one."""
    pipeline = make_killed()
    with subprocess.Popen(["sleep", "60"], cwd=Path(pipeline.root)) as process:
        assert any(str(process.pid) in line for line in pipeline.left_alive(0.1))
        process.kill()
