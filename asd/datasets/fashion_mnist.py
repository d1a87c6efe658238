"""Fashion-MNIST: grey 28x28 pictures of clothes in ten classes, 60,000 to train, 10,000 to test.

Four gzipped idx files, in a folder or downloaded. Class names and order are the official ones.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from asd.datasets._base import (
    DatasetParams,
    Download,
    LoadedSplit,
    Split,
    check_not_empty,
    class_balanced_part,
    need_source,
)
from asd.errors import DataError, ParamsError
from asd.progress import Reporter
from asd.types import Labels, Sample

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
_IMAGES_MAGIC, _LABELS_MAGIC = 0x803, 0x801
_SHAPE = (1, 28, 28)
SIZE = (60_000, 10_000, _SHAPE, len(CLASS_NAMES))
_PIXELS = 28 * 28


class Params(DatasetParams):
    """The download, should no source be set."""

    url: str = Field(URL, description="address of the folder that holds the four files")
    sha256: Mapping[str, str] = Field(SHA256, description="hash of each file by its name")


def downloads(params: Params, location: str | None) -> list[Download]:
    """The four files to fetch; `location` is the address of their folder that somebody set."""
    if set(params.sha256) != set(SHA256):
        raise ParamsError(f"fashion_mnist: sha256 must name {', '.join(SHA256)}")
    base = (location or params.url).rstrip("/")
    return [Download(f"{base}/{name}", name, sha256) for name, sha256 in params.sha256.items()]


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split of shape (1, 28, 28).

    Raises:
        DataError: a file is missing, broken, or not of the wanted form.
    """
    source = need_source(source, "fashion_mnist")
    labels = _read_labels(source / f"{_PREFIX[split]}-labels-idx1-ubyte.gz")
    rows = class_balanced_part(labels, params.limit_of(split), split)
    check_not_empty(len(rows), split, source)
    images = source / f"{_PREFIX[split]}-images-idx3-ubyte.gz"
    return LoadedSplit(CLASS_NAMES, _SHAPE, True, len(rows), _samples(images, split, labels, rows))


def _samples(path: Path, split: Split, labels: Labels, rows: NDArray[np.int64]) -> Iterator[Sample]:
    wanted = set(rows.tolist())
    for row, data in enumerate(_items(path, _IMAGES_MAGIC, (len(labels), 28, 28), _PIXELS)):
        if row in wanted:
            image = np.frombuffer(data, np.uint8).reshape(_SHAPE)
            yield Sample(f"{split}_{row:06d}", image, int(labels[row]), f"{path.name}#{row}")


def _read_labels(path: Path) -> Labels:
    return np.array([data[0] for data in _items(path, _LABELS_MAGIC, (None,), 1)], dtype=np.int64)


def _items(path: Path, magic: int, shape: tuple[int | None, ...], size: int) -> Iterator[bytes]:
    """The items of an idx file, `size` bytes each; None in `shape` stands for any number.

    Raises:
        DataError: missing, not gzip, another header, or not as long as its header says.
    """
    try:
        with gzip.open(path, "rb") as stream:
            head = stream.read(4 + 4 * len(shape))
            got = struct.unpack(f">{len(head) // 4}I", head[: len(head) // 4 * 4])
            if len(got) != 1 + len(shape) or got[0] != magic:
                raise DataError(f"{path} is not an idx file of the wanted kind")
            if any(w not in (None, g) for g, w in zip(got[1:], shape, strict=True)):
                raise DataError(f"{path}: wanted dimensions {shape}, got {got[1:]}")
            for number in range(got[1]):
                data = stream.read(size)
                if len(data) < size:
                    raise DataError(f"{path} ends after {number} of {got[1]} items")
                yield data
            if stream.read(1):
                raise DataError(f"{path} goes on after its {got[1]} items")
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as gzip: {error}") from error
