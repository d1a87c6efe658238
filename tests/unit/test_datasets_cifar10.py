"""CIFAR-10 from Parquet, from the binary release, and downloaded from a server on the loopback."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.datasets import cifar10
from asd.datasets._base import Split
from asd.datasets._obtain import obtain
from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.params import Variant
from asd.progress import Reporter
from asd.sources import set_source
from asd.types import Sample

PER_BATCH = 20
QUIET = Reporter("fetch", "cifar10", io.StringIO())


def _records(seed: int) -> bytes:
    rng = np.random.Generator(np.random.PCG64(seed))
    records = rng.integers(0, 256, (PER_BATCH, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(PER_BATCH) % 10
    return records.tobytes()


BATCHES = {f"data_batch_{i}.bin": _records(i) for i in range(1, 6)} | {"test_batch.bin": _records(6)}


def _archive(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in {"batches.meta.txt": b"airplane\n", **files}.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _load(source: Path, split: Split, **params: int) -> list[Sample]:
    loaded = cifar10.load(cifar10.Params(**params), split, source, QUIET)
    samples = list(loaded.samples)
    assert len(samples) == loaded.count
    assert loaded.trusted
    return samples


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "batches"
    folder.mkdir()
    for name, data in BATCHES.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_record_becomes_its_label_and_its_three_planes(tmp_path: Path) -> None:
    samples = _load(_archive(tmp_path / "cifar-10-binary.tar.gz", BATCHES), "train")
    record = np.frombuffer(BATCHES["data_batch_2.bin"], np.uint8).reshape(PER_BATCH, 3073)[3]
    sample = samples[PER_BATCH + 3]
    assert len(samples) == 5 * PER_BATCH
    assert (sample.key, sample.source) == ("train_2_00003", "data_batch_2.bin#3")
    assert sample.label == record[0]
    assert np.array_equal(sample.image, record[1:].reshape(3, 32, 32))


def test_archive_its_folder_and_the_unpacked_files_give_the_same(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a" / "cifar-10-binary.tar.gz", BATCHES)
    for split in ("train", "test"):
        wanted = [(s.key, s.label, s.content_sha256) for s in _load(archive, split)]
        for source in (archive.parent, _folder(tmp_path) if split == "train" else tmp_path / "batches"):
            assert [(s.key, s.label, s.content_sha256) for s in _load(source, split)] == wanted


def test_a_limit_takes_the_same_number_of_each_class(tmp_path: Path) -> None:
    samples = _load(_folder(tmp_path), "train", limit=30)
    assert np.bincount([sample.label for sample in samples]).tolist() == [3] * 10


def test_a_pickle_in_the_archive_is_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # type: ignore[return-value]

    bomb = pickle.dumps(Bomb())
    archive = _archive(tmp_path / "x.tar.gz", {**BATCHES, "data_batch_1": bomb, "batches.meta": bomb})
    assert len(_load(archive, "train")) == 5 * PER_BATCH
    assert not (tmp_path / "exploded").exists()


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "x.tar.gz", {k: v for k, v in BATCHES.items() if "3" not in k})
    with pytest.raises(DataError, match=r"data_batch_3\.bin is missing"):
        _load(archive, "train")


def test_a_batch_of_broken_records_is_named(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "x.tar.gz", {**BATCHES, "data_batch_5.bin": b"short"})
    with pytest.raises(DataError, match=r"data_batch_5\.bin does not hold whole records"):
        _load(archive, "train")


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "x.tar.gz", BATCHES)
    archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(DataError, match="cannot be read as CIFAR-10's binary release"):
        _load(archive, "train")


def test_without_a_source_the_command_is_named() -> None:
    with pytest.raises(ParamsError, match="`asd source set cifar10 PATH`"):
        cifar10.load(cifar10.Params(), "train", None, QUIET)


def test_a_folder_without_either_form_says_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no test split of CIFAR-10: wanted test\.parquet"):
        _load(tmp_path, "test")


def _parquet(path: Path, names: list[str] | None) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    cells = []
    for _ in range(20):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": "x.png"})
    table = pa.table({"img": cells, "label": [i % 10 for i in range(20)]})
    if names is not None:
        note = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(note)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


@pytest.mark.parametrize("name", ["train.parquet", "plain_text/train-00000-of-00001.parquet"])
def test_the_layouts_of_the_hub_are_read(tmp_path: Path, name: str) -> None:
    _parquet(tmp_path / name, list(cifar10.CLASS_NAMES))
    samples = _load(tmp_path, "train")
    assert [sample.label for sample in samples] == [i % 10 for i in range(20)]
    assert (samples[3].key, samples[3].source) == ("train_000003", f"{Path(name).name}#3")


def test_parquet_of_other_classes_is_refused(tmp_path: Path) -> None:
    _parquet(tmp_path / "train.parquet", [f"c{i}" for i in range(10)])
    with pytest.raises(DataError, match="are not CIFAR-10's"):
        _load(tmp_path, "train")


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    _archive(tmp_path / "www" / "cifar-10-binary.tar.gz", BATCHES)
    handler = partial(_QuietHandler, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/cifar-10-binary.tar.gz"
        server.shutdown()
        thread.join()


def _variant(address: str, tmp_path: Path) -> Variant:
    archive = (tmp_path / "www" / "cifar-10-binary.tar.gz").read_bytes()
    params = cifar10.Params(url=address, sha256=hashlib.sha256(archive).hexdigest())
    return Variant("cifar10", "cifar10", cifar10, params)


def test_without_a_source_the_release_is_downloaded(address: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "work")
    place = obtain(layout, _variant(address, tmp_path), QUIET)
    assert place is not None
    assert place.is_relative_to(layout.downloads)
    assert len(_load(place, "train")) == 5 * PER_BATCH


def test_an_address_that_somebody_set_is_downloaded_with_the_official_hash(
    address: str, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "work")
    set_source(layout, "cifar10", address)
    with pytest.raises(DataError, match=f"wanted {cifar10.SHA256}"):
        obtain(layout, Variant("cifar10", "cifar10", cifar10, cifar10.Params()), QUIET)


def test_the_hash_declared_with_an_address_counts(address: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "work")
    declared = _variant(address, tmp_path).params.sha256
    set_source(layout, "cifar10", address, sha256=declared)
    place = obtain(layout, Variant("cifar10", "cifar10", cifar10, cifar10.Params()), QUIET)
    assert place is not None
    assert len(_load(place, "test")) == PER_BATCH
