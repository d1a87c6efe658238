"""What every data set plug-in must do; the cases are the files of the folder."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.datasets._base import SPLITS
from asd.datasets.imagenet_subset import CLASSES as WNIDS
from asd.plugin_checks.dataset import CHECKS, Case
from asd.registry import Registry
from asd.shards.write import write_shards
from asd.types import Sample
from tests.unit.drops import made

REGISTRY = Registry("datasets")
NAMES = REGISTRY.names()
PER_CLASS = 4


def _png(side: int, value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (value % 256, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def _parquet_folder(root: Path, classes: int = 2, side: int = 8) -> Path:
    for split in SPLITS:
        count = PER_CLASS * classes
        cells = [{"bytes": _png(side, i), "path": None} for i in range(count)]
        table = pa.table({"img": cells, "label": [i % classes for i in range(count)]})
        pq.write_table(table, root / f"{split}.parquet")
    return root


def _class_folders(root: Path) -> Path:
    for split in SPLITS:
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            for i in range(PER_CLASS):
                (root / split / name / f"{i}.png").write_bytes(_png(8, i))
    return root


def _idx_folder(root: Path) -> Path:
    count = PER_CLASS * 10
    labels = struct.pack(">2I", 0x801, count) + bytes(i % 10 for i in range(count))
    images = struct.pack(">4I", 0x803, count, 28, 28) + bytes(count * 28 * 28)
    for prefix in ("train", "t10k"):
        (root / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        (root / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    return root


def _tars(root: Path) -> Path:
    for split in SPLITS:
        with tarfile.open(root / f"{split}.tar", "w") as archive:
            for i in range(2 * PER_CLASS):
                for ending, data in (("png", _png(8, i)), ("cls", "ab"[i % 2].encode())):
                    entry = tarfile.TarInfo(f"{i}.{ending}")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
    return root


def _labels_files(root: Path) -> Path:
    for split in SPLITS:
        lines = ["path,label"]
        for i in range(2 * PER_CLASS):
            (root / f"{split}{i}.png").write_bytes(_png(8, i))
            lines.append(f"{split}{i}.png,{'ab'[i % 2]}")
        (root / f"{split}.csv").write_text("\n".join(lines))
    return root


def _shards(root: Path) -> Path:
    for split in SPLITS:
        samples = [
            Sample(f"{split}_{i}", np.full((3, 8, 8), i, np.uint8), i % 2, f"{split}#{i}")
            for i in range(2 * PER_CLASS)
        ]
        (root / split).mkdir()
        write_shards(
            root / split,
            samples,
            name="small",
            split=split,
            class_names=("a", "b"),
            image_shape=(3, 8, 8),
            trusted=True,
        )
    return root


def _workspace_with_drops(root: Path) -> Path:
    made.add(made.workspace(root), made.pictures(0, 100))
    return root


def _wordnet_folders(root: Path) -> Path:
    for part in ("train", "val"):
        for number, wnid in enumerate(WNIDS):
            (root / part / wnid).mkdir(parents=True)
            for i in range(2):
                (root / part / wnid / f"{part}{i}.JPEG").write_bytes(_png(8, 7 * number + i))
    return root


def _identities(root: Path) -> Path:
    for number in range(30):
        (root / "train" / f"n{number:06d}").mkdir(parents=True)
        for i in range(12):
            picture = _png(8, number) + bytes([i])  # bytes behind a picture: each falls on a side of its own
            (root / "train" / f"n{number:06d}" / f"{i}.jpg").write_bytes(picture)
    return root


GIVEN: dict[str, dict[str, float]] = {
    "imagenet_subset": {"least_train": 2, "least_val": 2, "image_size": 8},
    "vggface2": {"least": 12, "identities": 6, "image_size": 8, "held_out": 0.5},
}
"""Params that make a small source do."""

SMALL_SOURCES: dict[str, Callable[[Path], Path | None]] = {
    "digits": lambda root: None,
    "cifar10": lambda root: _parquet_folder(root, 10, 32),
    "fashion_mnist": _idx_folder,
    "imagefolder": _class_folders,
    "parquet": _parquet_folder,
    "webdataset": _tars,
    "csv": _labels_files,
    "shards": _shards,
    "drops": _workspace_with_drops,
    "gtsrb": lambda root: _parquet_folder(root, 43, 32),
    "imagenet_subset": _wordnet_folders,
    "vggface2": _identities,
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(name: str, tmp_path: Path) -> Case:
    if name not in SMALL_SOURCES:
        pytest.fail(f"give SMALL_SOURCES a small source for {name}")
    return Case(name, REGISTRY.get(name), SMALL_SOURCES[name](tmp_path), GIVEN.get(name, {}))


@pytest.mark.parametrize("promise", CHECKS, ids=lambda one: one.__name__)
def test_it_keeps_its_promise(case: Case, promise: Callable[[Case], None]) -> None:
    promise(case)
