"""What people get wrong, at the level of commands: a clear line, the exit code, nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asd import cli, store
from asd.readiness import make_ready
from asd.run_lock import hold_workspace

ATTACK = ("--dataset", "digits", "--attack", "badnets")
TRIAL = (*ATTACK, "--trial", "0")
CELL = (*TRIAL, "--defense", "asd")
STEPS: dict[str, tuple[str, ...]] = {
    "fetch": ("--dataset", "digits"),
    "prepare": ATTACK,
    "poison": ATTACK,
    "seed": TRIAL,
    **dict.fromkeys(("stage1", "stage2", "stage3", "evaluate", "audit"), CELL),
}


@dataclass(frozen=True)
class Mistake:
    """What somebody did to a workspace, the command, and what it must answer."""

    change: Callable[[Any], object]
    words: tuple[str, ...]
    code: int
    message: str


def edit(old: str, new: str) -> Callable[[Any], object]:
    """Replace a text in params.yaml, as a person would."""

    def change(pipeline: Any) -> None:
        text = pipeline.layout.params.read_text()
        assert text.count(old) == 1, old
        pipeline.layout.params.write_text(text.replace(old, new))

    return change


def add_dataset(plugin: str) -> Callable[[Any], object]:
    def change(pipeline: Any) -> None:
        edit("datasets:\n  digits:", f"datasets:\n  pets: {{use: {plugin}}}\n  digits:")(pipeline)
        make_ready(pipeline.root)

    return change


def flip(name: str) -> Callable[[Any], object]:
    def change(pipeline: Any) -> None:
        [file] = pipeline.root.glob(name)
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))

    return change


def miscount(pipeline: Any) -> None:
    file = pipeline.layout.fetched("digits", "train") / "manifest.json"
    manifest = json.loads(file.read_bytes())
    manifest["count"] += 1
    file.write_bytes(store.json_bytes(manifest))


def remove(name: str) -> Callable[[Any], object]:
    return lambda pipeline: shutil.rmtree(pipeline.root / name)


def nothing(pipeline: Any) -> None:
    """The command itself is the mistake."""


RUN = "data/runs/digits/badnets/asd/0"
MISTAKES = {
    "a key misspelt": Mistake(
        edit("random_seed:", "randm_seed:"),
        ("step", "stage1", *CELL), 2, "randm_seed.*did you mean 'random_seed'",
    ),
    "a value misspelt": Mistake(
        edit("precision: float32", "precision: float31"), ("run",), 2, "precision.*got 'float31'"
    ),
    "a param of a plug-in misspelt": Mistake(
        edit("gamma: 0.5", "gama: 0.5"), ("run",), 2, "gama.*did you mean 'gamma'"
    ),
    "stage ends out of order": Mistake(
        edit("end: 6", "end: 2"),
        ("run",), 2, r"stage ends must not fall: got stage1\.end 3, stage2\.end 2, common\.last_epoch 9",
    ),
    "a target outside the classes": Mistake(
        edit("target_label: 3", "target_label: 10"),
        ("step", "poison", *ATTACK), 2, "target label 10 is outside the 10 classes",
    ),
    "more poison than samples": Mistake(
        edit("poison_fraction: 0.1", "poison_fraction: 0.95"),
        ("step", "poison", *ATTACK), 2, "poison_fraction.*190.*180",
    ),
    "more seeds than the list holds": Mistake(
        edit("w: 5", "w: 500"), ("step", "stage1", *CELL), 2, "500",
    ),
    "a folder that nobody set": Mistake(
        add_dataset("imagefolder"), ("step", "fetch", "--dataset", "pets"), 2, "asd source set pets"
    ),
    "a Parquet that nobody set": Mistake(
        add_dataset("parquet"), ("step", "fetch", "--dataset", "pets"), 2, "asd source set pets"
    ),
    "a source that is not there": Mistake(
        nothing, ("source", "set", "digits", "/nowhere/at/all"), 2, "/nowhere/at/all"
    ),
    "a cell that is not there": Mistake(nothing, ("run", "digit/badnets"), 2, "digit"),
    "a flipped byte in a shard": Mistake(
        flip("data/fetched/digits/train/*.tar"), ("step", "stage1", *CELL), 3, "tar: its SHA-256 differs"
    ),
    "a flipped byte in the overlay": Mistake(
        flip("data/poisoned/digits/badnets/train/*.tar"), ("step", "seed", *TRIAL), 3, "SHA-256 differs"
    ),
    "a count that is not that of the shards": Mistake(
        miscount, ("step", "poison", *ATTACK), 3, "201.*200|200.*201"
    ),
    "a stage before its turn": Mistake(
        remove(f"{RUN}/stage1"), ("step", "stage2", *CELL), 3, "missing.*stage1"
    ),
    "an evaluation before its turn": Mistake(
        remove(f"{RUN}/stage3"), ("step", "evaluate", *CELL), 3, "missing.*stage3"
    ),
    "a stage without seeds": Mistake(
        remove("data/seeds"), ("step", "stage1", *CELL), 3, "missing.*seeds"
    ),
}  # fmt: skip


@pytest.fixture
def pipeline(finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A copy of the finished workspace that may be spoilt."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    return finished.copy(tmp_path / "w")


def results(root: Path) -> dict[str, str]:
    """All files but caches and what belongs to this machine."""
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.relative_to(root).parts[0] not in (".asd", ".cache", ".scratch", "full")
    }


def answer(pipeline: Any, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = cli.main([*words, "--workspace", str(pipeline.root)])
    return code, capsys.readouterr().err


def check_said(said: str, message: str) -> None:
    assert re.search(message, said), said
    assert said.startswith("asd: ")
    assert len(said.splitlines()) <= 2, said
    assert "bug" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_in_a_line_and_changes_nothing(
    pipeline: Any, capsys: pytest.CaptureFixture[str], mistake: Mistake
) -> None:
    mistake.change(pipeline)
    before = results(pipeline.root)
    code, said = answer(pipeline, mistake.words, capsys)
    check_said(said, mistake.message)
    assert code == mistake.code
    assert results(pipeline.root) == before


def test_a_second_run_in_a_workspace_is_refused(pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with hold_workspace(pipeline.layout):
        code, said = answer(pipeline, ("run",), capsys)
    check_said(said, f"another asd run .pid {os.getpid()}. works in this workspace")
    assert code == 2


def test_a_step_that_runs_already_is_refused(
    pipeline: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asd import step_lock
    from asd.steps import StepItem

    clock = iter(range(0, 10**6, 100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    before = results(pipeline.root)
    with step_lock.hold_step(pipeline.layout, "poison", StepItem("digits", "badnets")):
        code, said = answer(pipeline, ("step", "poison", *ATTACK), capsys)
    check_said(said, f"poison digits/badnets is already running .process {os.getpid()}.")
    assert code == 2
    assert results(pipeline.root) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_found_full_at_a_flush_leaves_every_result_whole(
    pipeline: Any,
    finished: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    real, count = store.fsync, 0

    def full(path: Path) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path)

    monkeypatch.setattr(store, "fsync", full)
    code, said = answer(pipeline, ("step", step, *STEPS[step]), capsys)
    check_said(said, "disk full while writing .*; free some space and run again")
    assert code == 3
    assert not [path for path in (pipeline.root / "data").rglob("*") if ".tmp-" in path.name]
    assert pipeline.contents() == finished.contents()


# -- a real small disk, where this machine lets us mount one ---------------------------------


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "room", [0, pytest.param(8192, marks=pytest.mark.slow)], ids=["nothing left", "two pages left"]
)
def test_a_really_full_disk_is_an_error_of_one_line(
    small_disk: Path, finished: Any, capsys: pytest.CaptureFixture[str], step: str, room: int
) -> None:
    pipeline = finished.copy(small_disk / "w", ".cache")
    filler = small_disk / "full"
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(small_disk).free - room)
    code, said = answer(pipeline, ("step", step, *STEPS[step]), capsys)
    check_said(said, f"disk full while writing {small_disk}|MiB are free")
    assert code == 3
    filler.unlink()
    assert not [path for path in (pipeline.root / "data").rglob("*") if ".tmp-" in path.name]
    assert pipeline.contents() == finished.contents()


def test_a_read_only_folder_is_an_error_of_one_line(
    small_disk: Path, finished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = finished.copy(small_disk / "w", ".cache")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for words in (("step", "poison", *ATTACK), ("step", "stage1", *CELL), ("run",)):
        code, said = answer(pipeline, words, capsys)
        check_said(said, "may not write .*Read-only file system")
        assert code == 3
    assert pipeline.contents() == finished.contents()
