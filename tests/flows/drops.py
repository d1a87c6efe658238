"""A small workspace of drops that trains in seconds, and drops for its inbox: good, hostile, repeating."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from asd.layout import Layout
from asd.new_workspace import create
from asd.params_file import set_params

CLASSES = ("red", "green", "blue")
TINY = (
    "datasets.drops.class_names=[red,green,blue]",
    "datasets.drops.image_size=16",
    "seeds.use=folder",
    "cells.defenses=[asd]",
    "training.precision=float32",
    "training.threads=1",
    "training.augment.pad=1",
    "model.widths=[4, 8]",
    "model.strides=[1, 2]",
    "defenses.asd.common.w=5",
    "defenses.asd.common.batch=16",
    "defenses.asd.common.iterations=3",
    "defenses.asd.common.last_epoch=6",
    "defenses.asd.stage1.end=2",
    "defenses.asd.stage1.n=2",
    "defenses.asd.stage1.t=1",
    "defenses.asd.stage2.end=4",
    "defenses.asd.stage2.pools.class_floor=2",
    "defenses.asd.stage3.pools.class_floor=3",
    "defenses.asd.stage3.meta.layers=2",
    "defenses.asd.stage3.meta.batch=16",
    "defenses.asd.stage3.meta.min_steps=0",
    "defenses.asd.stage3.meta.snapshots=1",
    "defenses.asd.stage3.meta.snapshot_every=1",
    "defenses.asd.stage3.meta.retries=0",
    "gates.least_acc=0.0",
    "service.quiet_seconds=3600",
    "service.poll_seconds=1",
    "service.nightly=",
    "service.rehearse=never",
)
PER_CLASS = 40


def picture(seed: int, class_number: int) -> bytes:
    """A PNG of one class: one channel is bright."""
    rng = np.random.default_rng((seed, class_number))
    pixels = rng.integers(0, 90, (16, 16, 3), dtype=np.uint8)
    pixels[..., class_number] = rng.integers(120, 256, (16, 16), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def pictures(numbers: Iterable[int]) -> dict[str, bytes]:
    """Path -> bytes: a picture of each class for each number."""
    return {
        f"{name}/{number}.png": picture(number, place)
        for number in numbers
        for place, name in enumerate(CLASSES)
    }


def workspace(root: Path, seeds: Path, *changes: str) -> Layout:
    """A workspace in git, with seed pictures in a folder of their own."""
    create(root, "drops", git=True)
    set_params(root, [*TINY, *changes])
    write(seeds, pictures(range(9000, 9006)))
    command = [sys.executable, "-m", "asd", "source", "set", "seeds", str(seeds), "--workspace", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return Layout(root)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def put_folder(layout: Layout, name: str, files: dict[str, bytes]) -> None:
    """A folder `SOURCE/NAME` in the inbox, its marker last."""
    write(layout.inbox / name, files)
    (layout.inbox / name / ".complete").touch()


def put_hostile_zip(layout: Layout, name: str, files: dict[str, bytes]) -> dict[str, int]:
    """An archive with good pictures and evils among them; reason -> how many must be quarantined."""
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, format="PNG")
    evils = {
        "red/bomb.png": bomb.getvalue(),
        "red/cut.png": picture(1, 0)[:60],
        "green/not-a-picture.png": b"\x80\x04\x95pickle",
        "green/pickle.pkl": b"cos\nsystem\n(S'touch /tmp/owned'\ntR.",
        "../../../evil.png": picture(7777, 0),
    }
    path = layout.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path.with_name(f".{path.name}"), "w") as archive:
        for member, data in {**files, **evils}.items():
            archive.writestr(member, data)
    os.replace(path.with_name(f".{path.name}"), path)
    path.with_name(f"{path.name}.complete").touch()
    return {"evils": len(evils)}


def clone(layout: Layout, target: Path) -> Layout:
    """The workspace as it is now, elsewhere."""
    shutil.copytree(layout.root, target, symlinks=True)
    return Layout(target)
