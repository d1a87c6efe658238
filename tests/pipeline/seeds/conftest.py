"""A workspace on a small folder of pictures, for the commands of `asd seeds`."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from asd import cli
from asd.layout import Layout
from asd.new_workspace import create
from asd.params import load_workspace
from asd.params_file import set_params
from asd.progress import Reporter
from asd.readiness import make_ready
from asd.registry import step_module
from asd.rng import numpy_generator
from asd.sources import set_source
from asd.steps import StepItem

CLASSES = ("big owl", "cat", "dog")
PARAMS = (
    "datasets.imagefolder.use=imagefolder",
    "cells.datasets=[imagefolder]",
    "attacks.none.use=none",
    "cells.attacks=[none]",
    "defenses.asd.common.w=3",
)


def draw_pictures(folder: Path) -> None:
    """Two folders of a vendor in every class: 8 and 4 pictures to train, 2 and 1 to test."""
    random = numpy_generator(0, "pictures")
    for part, each in (("train", 4), ("test", 1)):
        for name in CLASSES:
            for vendor, count in (("vendor_a", 2 * each), ("vendor_b", each)):
                place = folder / part / name / vendor
                place.mkdir(parents=True)
                for i in range(count):
                    pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(place / f"{i}.png")


def make_workspace(folder: Path) -> Path:
    draw_pictures(folder / "pictures")
    root = create(folder / "w", "digits").root
    set_params(root, PARAMS)
    set_source(Layout(root), "imagefolder", folder / "pictures")
    make_ready(root)
    return root


def step(root: Path, name: str, **item: object) -> None:
    given = StepItem("imagefolder", **item)  # type: ignore[arg-type]
    step_module(name).run(load_workspace(root), given, Reporter(name, "test", io.StringIO()))


def asd(root: Path, *words: str) -> int:
    return cli.main(["seeds", *words, "--workspace", str(root)])


@pytest.fixture(scope="session")
def sheeted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with sheets of 10 a class and a seed of every class; for copying."""
    root = make_workspace(tmp_path_factory.mktemp("sheeted"))
    step(root, "fetch")
    assert asd(root, "sheet", "--per-class", "10") == 0
    for name in CLASSES:
        assert asd(root, "add", "--class", name, "1", "--by", "Ada") == 0
    return root


@pytest.fixture
def workspace(sheeted: Path, tmp_path: Path) -> Path:
    shutil.copytree(sheeted.parent / "pictures", tmp_path / "pictures")
    return Path(shutil.copytree(sheeted, tmp_path / "w"))


@pytest.fixture
def kit() -> Any:
    """What the tests of this folder share: the names above."""
    return SimpleNamespace(classes=CLASSES, make_workspace=make_workspace, step=step, asd=asd)
