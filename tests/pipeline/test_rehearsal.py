"""`asd rehearse` for real: killed, resumed, nothing twice, and no planted picture outside .rehearsal/."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from asd.layout import Cell, Layout
from asd.new_workspace import create_with
from asd.rehearsals import read_rehearsals
from asd.seeds.trusted import Vouched, write_trusted
from asd.shards.manifest import read_index, read_manifest
from asd.truth import read_truth
from tests.pipeline.conftest import CHECKOUT

CELL = Cell("vendor", "none", "asd", 0)
PARAMS = {
    "cells": {"datasets": ["vendor"], "attacks": ["none"], "defenses": ["asd"], "trials": [0]},
    "seeds": {"use": "keys"},
    "training": {"threads": 1, "augment": {"pad": 1, "pad_mode": "zero", "flip": False}},
    "model": {"use": "small_resnet", "widths": [4, 8], "stem_stride": 1, "strides": [1, 2]},
    "datasets": {"vendor": {"use": "imagefolder", "image_size": 8, "channels": 1, "held_out": 0.3}},
    "attacks": {"none": {}},
    "gates": {"most_asr": 1.0},
    "defenses": {
        "none": {
            "stage1": {"epochs": 4, "batch": 32, "optimizer": "adam", "lr": 0.01, "schedule": "one_cycle"},
        },
        "asd": {
            "common": {"w": 5, "batch": 16, "iterations": 3, "last_epoch": 9},
            "stage1": {"end": 3, "n": 2, "t": 1},
            "stage2": {"end": 6},
            "stage3": {"meta": {"min_steps": 0, "batch": 64}},
        },
    },
}  # fmt: skip


def write_pictures(root: Path) -> None:
    """A vendor's folder: 400 digits of 8x8 in class folders."""
    digits = load_digits()
    for row, (image, label) in enumerate(zip(digits.images[:400], digits.target[:400], strict=True)):
        folder = root / f"digit_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9).astype("uint8")).save(folder / f"{row:04d}.png")


class Production:
    """The workspace, and its commands as children."""

    def __init__(self, root: Path) -> None:
        write_pictures(root / "vendor")
        self.root = create_with(root / "w", yaml.safe_dump(PARAMS)).root
        self.layout = Layout(self.root)
        self.environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DVC_NO_ANALYTICS": "1"}
        self.asd("source", "set", "vendor", str(root / "vendor"))
        self.asd("seeds", "sheet")
        index = read_index(self.layout.fetched("vendor", "train"))
        names = read_manifest(self.layout.fetched("vendor", "train")).class_names
        chosen = [i for label in range(10) for i in (index.labels == label).nonzero()[0][:6].tolist()]
        write_trusted(
            self.layout.trusted_seeds,
            [
                Vouched(
                    "vendor", names[index.labels[i]], index.keys[i], index.content[i], "Ada", "2026-11-01"
                )
                for i in chosen
            ],
        )

    def command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).parent / "asd"), *words]

    def asd(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            self.command(*words), cwd=self.root, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def killed(self, *words: str, at: str) -> None:
        """Start a command and kill it with -9 when it has said `at`."""
        with subprocess.Popen(
            self.command(*words), cwd=self.root, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            found = next((line for line in process.stdout if at in line), None)
            process.send_signal(signal.SIGKILL)
        assert found is not None, f"it never said {at!r}"

    def wait_until_nobody_works(self) -> None:
        for _ in range(300):
            if not [p for p in psutil.process_iter(["cmdline"]) if self._is_ours(p)]:
                return
            time.sleep(0.1)
        raise AssertionError("a process of the killed rehearsal lives on")

    def _is_ours(self, process: psutil.Process) -> bool:
        return any(str(self.root) in word for word in process.info["cmdline"] or ())

    def files(self) -> dict[str, str]:
        """SHA-256 of all that belongs to production: its data, its DVC cache, its locks, its records."""
        wanted = ("data", ".dvc", "sources", "seeds", "params.yaml", "dvc.yaml", "dvc.lock", "asd.lock")
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in wanted
            for path in sorted(
                (self.root / name).rglob("*") if (self.root / name).is_dir() else [self.root / name]
            )
            if path.is_file() and "tmp" not in path.relative_to(self.root).parts
        }


@pytest.mark.slow
def test_a_rehearsal_is_killed_goes_on_and_leaves_production_as_it_was(tmp_path: Path) -> None:
    production = Production(tmp_path)
    layout = production.layout
    said = production.asd("run", code=4)  # trained, but the gate has no figure yet
    assert "gates.most_asr was not measured: there is no rehearsal of vendor for asd yet" in said
    before = production.files()
    words = ("rehearse", "--attacks", "badnets", "--fraction", "0.1")

    production.killed(*words, at="stage2 vendor/badnets/asd/0: started")
    production.wait_until_nobody_works()
    assert read_rehearsals(layout) == []
    rest = production.asd(*words)

    assert "stage1 vendor/badnets/asd/0: started" not in rest  # done before the kill
    assert "stage3 vendor/badnets/asd/0: done" in rest
    (line,) = read_rehearsals(layout)
    count = read_manifest(layout.fetched("vendor", "train")).count
    assert (line.samples, line.planted, line.rest) == (count, count // 10, count - count // 10)
    assert line.sentence in rest.splitlines()[-1]
    assert production.files() == before

    place = Layout(layout.rehearsal)
    assert (
        read_index(place.fetched("vendor", "train")).fingerprint()
        == read_index(layout.fetched("vendor", "train")).fingerprint()
    )
    planted = set(read_truth(place.truth("vendor", "badnets")).keys)
    assert len(planted) == line.planted
    stamped = set(read_index(place.poisoned("vendor", "badnets", "train")).content)
    assert not stamped & set(read_index(layout.fetched("vendor", "train")).content)
    samples = pq.read_table(place.audit_samples(Cell("vendor", "badnets", "asd", 0)))
    poisoned = [role == "poisoned" for role in samples["truth_role"].to_pylist()]
    suspect = [verdict == "suspect" for verdict in samples["verdict"].to_pylist()]
    caught = sum(a and b for a, b in zip(poisoned, suspect, strict=True))
    assert (line.planted_called_suspect, line.rest_called_suspect) == (caught, sum(suspect) - caught)

    again = production.asd(*words)
    assert "badnets: nothing new since" in again
    assert "started" not in again
    assert read_rehearsals(layout) == [line]

    judged = production.asd("run", code=0 if line.worked else 4)
    assert "nothing to do: all 9 stages are up to date" in judged
    assert "rehearsed with badnets on" in judged
    assert (
        json.loads(production.asd("status", "--json"))["rehearsals"][0]["last"][0]["planted"] == line.planted
    )
