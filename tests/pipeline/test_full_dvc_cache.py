"""DVC's cache on a disk that is full: a clear error, nothing half-written, and on it goes with room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import Pipeline

CELL = "digits/badnets/none"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dvc", "prefect"])
def test_a_full_cache_is_said_and_goes_on_when_there_is_room(
    small_disk: Path, make_pipeline: Callable[..., Pipeline], engine: str
) -> None:
    pipeline, undisturbed = make_pipeline("w"), make_pipeline("whole")
    assert undisturbed.command("asd", "run", CELL, f"--engine={engine}").returncode == 0
    (small_disk / "cache").mkdir()
    pipeline.command("dvc", "config", "--local", "cache.dir", str(small_disk / "cache"))
    pipeline.command("dvc", "config", "--local", "cache.type", "copy")
    filler = small_disk / "full"
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(small_disk).free - 16_384)

    full = pipeline.command("asd", "run", CELL, f"--engine={engine}")

    assert full.returncode in (2, 3)
    assert "the disk is full" in full.stdout
    assert "Traceback" not in full.stdout
    filler.unlink()
    again = pipeline.command("asd", "run", CELL, f"--engine={engine}")
    assert again.returncode == 0, again.stdout
    assert pipeline.contents() == undisturbed.contents()
    status = pipeline.command("dvc", "status", "--with-deps", "audit@digits-badnets-none-0")
    assert "up to date" in status.stdout
