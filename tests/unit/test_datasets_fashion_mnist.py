"""Fashion-MNIST's idx files."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest

from asd.datasets import fashion_mnist
from asd.datasets._base import Split
from asd.errors import DataError, ParamsError
from asd.progress import Reporter
from asd.types import Sample

QUIET = Reporter("fetch", "fashion_mnist", io.StringIO())
PIXELS = np.random.Generator(np.random.PCG64(3)).integers(0, 256, (20, 28, 28), dtype=np.uint8)


def _images(pixels: np.ndarray = PIXELS) -> bytes:  # type: ignore[type-arg]
    return struct.pack(">4I", 0x803, *pixels.shape) + pixels.tobytes()


def _labels(count: int = 20) -> bytes:
    return struct.pack(">2I", 0x801, count) + bytes(i % 10 for i in range(count))


def _folder(tmp_path: Path, images: bytes | None = None, labels: bytes | None = None) -> Path:
    for prefix in ("train", "t10k"):
        for name, data in (("images-idx3", images or _images()), ("labels-idx1", labels or _labels())):
            (tmp_path / f"{prefix}-{name}-ubyte.gz").write_bytes(gzip.compress(data))
    return tmp_path


def _load(source: Path, split: Split, **params: int) -> list[Sample]:
    loaded = fashion_mnist.load(fashion_mnist.Params(**params), split, source, QUIET)
    samples = list(loaded.samples)
    assert len(samples) == loaded.count
    return samples


def test_pictures_and_labels_are_those_of_the_files(tmp_path: Path) -> None:
    samples = _load(_folder(tmp_path), "test")
    assert [sample.label for sample in samples] == [i % 10 for i in range(20)]
    assert np.array_equal(np.stack([sample.image[0] for sample in samples]), PIXELS)
    assert (samples[7].key, samples[7].source) == ("test_000007", "t10k-images-idx3-ubyte.gz#7")


def test_a_limit_takes_the_same_number_of_each_class(tmp_path: Path) -> None:
    assert sorted(s.label for s in _load(_folder(tmp_path), "train", limit=10)) == list(range(10))


def test_class_names_are_the_official_ones_in_their_order() -> None:
    assert fashion_mnist.CLASS_NAMES[0] == "T-shirt/top"
    assert fashion_mnist.CLASS_NAMES[9] == "Ankle boot"
    assert len(fashion_mnist.CLASS_NAMES) == 10


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (None, _images(), "not an idx file of the wanted kind"),
        (_labels(), None, "not an idx file of the wanted kind"),
        (_images(PIXELS[:19]), None, r"wanted dimensions \(20, 28, 28\), got \(19, 28, 28\)"),
        (_images()[:-1], None, "ends after 19 of 20 items"),
        (_images() + b"x", None, "goes on after its 20 items"),
        (None, _labels()[:-1], "ends after 19 of 20 items"),
        (b"ab", None, "not an idx file"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, images: bytes | None, labels: bytes | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _load(_folder(tmp_path, images, labels), "train")


def test_a_file_cut_short_or_missing_is_named(tmp_path: Path) -> None:
    path = _folder(tmp_path) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read as gzip"):
        _load(tmp_path, "train")
    path.unlink()
    with pytest.raises(DataError, match=r"missing file .*train-images"):
        _load(tmp_path, "train")


def test_every_file_is_downloaded_with_its_hash() -> None:
    files = fashion_mnist.downloads(fashion_mnist.Params(), "http://127.0.0.1/mirror/")
    assert {file.name: file.sha256 for file in files} == fashion_mnist.SHA256
    assert files[0].url == "http://127.0.0.1/mirror/train-images-idx3-ubyte.gz"
    with pytest.raises(ParamsError, match="sha256 must name"):
        fashion_mnist.downloads(fashion_mnist.Params(sha256={"x": "0"}), None)
