"""CIFAR-10's binary release: records of one label byte and 3,072 pixel bytes, no pickle."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from asd.datasets._base import Split
from asd.errors import DataError
from asd.types import Labels

SHAPE = (3, 32, 32)
ARCHIVE = "cifar-10-binary.tar.gz"
_RECORD = 1 + 3 * 32 * 32
_CHUNK = 1000  # records
_BATCHES: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    "test": ("test_batch.bin",),
}


def find_binary(source: Path) -> Path | None:
    """The archive or the folder of `.bin` files at `source`; None if there is neither."""
    if source.is_file():
        return source
    for place in (source, source / "cifar-10-batches-bin"):
        if (place / _BATCHES["test"][0]).is_file():
            return place
    return source / ARCHIVE if (source / ARCHIVE).is_file() else None


def read_labels(place: Path, split: Split) -> Labels:
    """The labels of a split in the order of its records."""
    labels = [records[:, 0] for _, _, records in read_records(place, split)]
    return np.concatenate([np.zeros(0, np.uint8), *labels]).astype(np.int64)


def read_records(place: Path, split: Split) -> Iterator[tuple[str, int, NDArray[np.uint8]]]:
    """Batch name, number of the first record in it, and up to 1,000 records of shape (n, 3073).

    The batches come in the order of the archive.

    Raises:
        DataError: broken archive, a missing batch, or one that does not hold whole records.
    """
    missing = set(_BATCHES[split])
    try:
        for name, stream in _streams(place):
            if name in missing:
                missing.remove(name)
                start = 0
                while data := stream.read(_CHUNK * _RECORD):
                    if len(data) % _RECORD:
                        raise DataError(f"{place}: {name} does not hold whole records of {_RECORD} bytes")
                    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
                    yield name, start, records
                    start += len(records)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{place} cannot be read as CIFAR-10's binary release: {error}") from error
    if missing:
        raise DataError(f"{place}: {min(missing)} is missing")


def _streams(place: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if place.is_dir():
        for path in sorted(place.glob("*.bin")):
            with path.open("rb") as stream:
                yield path.name, stream
        return
    with tarfile.open(place, "r|gz") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is not None:
                yield Path(entry.name).name, content


def batch_key(split: Split, batch: str, record: int) -> str:
    """Key of a record, such as `train_1_00017` for the 18th of `data_batch_1.bin`."""
    number = re.search(r"\d", batch)
    return f"{split}_{number[0] if number else 0}_{record:05d}"
