"""What every data set plug-in must do; the cases are the files of the folder."""

from __future__ import annotations

import gzip
import inspect
import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.datasets._base import SPLITS, DatasetParams, Download, LoadedSplit, Split
from asd.errors import ParamsError
from asd.progress import Reporter
from asd.registry import Registry
from asd.shards.keys import check_key
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
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def module(name: str) -> ModuleType:
    return REGISTRY.get(name)


@pytest.fixture
def load(name: str, module: ModuleType, tmp_path: Path) -> Callable[..., tuple[LoadedSplit, list[Sample]]]:
    if name not in SMALL_SOURCES:
        pytest.fail(f"give SMALL_SOURCES a small source for {name}")
    source = SMALL_SOURCES[name](tmp_path)

    def run(split: Split, **params: object) -> tuple[LoadedSplit, list[Sample]]:
        quiet = Reporter("fetch", name, io.StringIO())
        loaded: LoadedSplit = module.load(module.Params(**params), split, source, quiet)
        return loaded, list(loaded.samples)

    return run


def test_it_has_params_and_load_of_the_agreed_form(module: ModuleType) -> None:
    assert issubclass(module.Params, DatasetParams)
    assert list(inspect.signature(module.load).parameters) == ["params", "split", "source", "reporter"]
    assert module.__doc__


def test_its_params_have_defaults_and_a_description_each(module: ModuleType) -> None:
    module.Params()
    assert all(field.description for field in module.Params.model_fields.values())


def test_its_downloads_name_address_file_and_hash(module: ModuleType) -> None:
    if not hasattr(module, "downloads"):
        return
    files: list[Download] = module.downloads(module.Params(), None)
    assert all(file.url.startswith("http") and len(file.sha256 or "") == 64 for file in files)
    assert len({file.name for file in files}) == len(files)


def test_without_a_source_it_loads_or_names_the_command(name: str, module: ModuleType) -> None:
    quiet = Reporter("fetch", name, io.StringIO())
    try:
        module.load(module.Params(), "train", None, quiet)
    except ParamsError as error:
        assert "`asd source set " in str(error) or "`asd drop add " in str(error)  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize("split", SPLITS)
def test_its_samples_are_what_it_announces(
    load: Callable[..., tuple[LoadedSplit, list[Sample]]], split: Split
) -> None:
    loaded, samples = load(split)
    assert len(samples) == loaded.count > 0
    assert {sample.image.shape for sample in samples} == {loaded.image_shape}
    assert {sample.image.dtype for sample in samples} == {np.dtype(np.uint8)}
    assert {sample.label for sample in samples} <= set(range(len(loaded.class_names)))


def test_its_keys_are_legal_and_unique_over_both_splits(
    load: Callable[..., tuple[LoadedSplit, list[Sample]]],
) -> None:
    keys = [check_key(sample.key) for split in SPLITS for sample in load(split)[1]]
    assert len(set(keys)) == len(keys)


def test_it_gives_the_same_samples_twice(load: Callable[..., tuple[LoadedSplit, list[Sample]]]) -> None:
    first, second = (
        [(s.key, s.label, s.source, s.content_sha256) for s in load("train")[1]] for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("split", SPLITS)
def test_a_limit_takes_a_class_balanced_part_in_source_order(
    load: Callable[..., tuple[LoadedSplit, list[Sample]]], split: Split
) -> None:
    loaded, whole = load(split)
    classes = len(loaded.class_names)
    _, part = load(split, **{"limit" if split == "train" else "limit_test": 2 * classes})
    keys = [sample.key for sample in whole]
    assert np.bincount([sample.label for sample in part]).tolist() == [2] * classes
    assert [keys.index(sample.key) for sample in part] == sorted(keys.index(sample.key) for sample in part)
