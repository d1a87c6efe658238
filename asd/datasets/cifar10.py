"""CIFAR-10: 32x32 colour photographs in ten classes, 50,000 to train and 10,000 to test.

Read from a folder of Parquet files in the hub's layout, from the binary release (archive or
unpacked), or downloaded. Class names and their order are those of the official release.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from asd.datasets._cifar_binary import ARCHIVE, SHAPE, batch_key, find_binary, read_labels, read_records
from asd.datasets._decode import decode_picture
from asd.datasets._parquet import Table, class_indexes, split_files
from asd.errors import DataError
from asd.progress import Reporter
from asd.types import Sample

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
SIZE = (50_000, 10_000, (3, 32, 32), len(CLASS_NAMES))


class Params(DatasetParams):
    """The download, should no source be set."""

    url: str = Field(URL, description="address of the binary release")
    sha256: str = Field(SHA256, pattern="^[0-9a-f]{64}$", description="hash of the binary release")


def downloads(params: Params, location: str | None) -> list[Download]:
    """The one archive to fetch; `location` is an address that somebody set."""
    return [Download(location or params.url, ARCHIVE, params.sha256)]


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split of shape (3, 32, 32).

    Raises:
        DataError: the source holds neither form, or is broken.
    """
    source = need_source(source, "cifar10")
    files = [] if source.is_file() and source.suffix != ".parquet" else split_files(source, split)
    if files:
        return _from_parquet(params, split, Table.open(files, None, None))
    place = None if source.suffix == ".parquet" else find_binary(source)
    if place is None:
        raise DataError(
            f"{source} has no {split} split of CIFAR-10: wanted {split}.parquet, {split}-*.parquet, "
            f"{ARCHIVE} or its .bin files"
        )
    return _from_binary(params, split, place)


def _from_parquet(params: Params, split: Split, table: Table) -> LoadedSplit:
    names = table.metadata_names()
    if names not in (None, CLASS_NAMES):
        raise DataError(f"{table.files[0]}: its classes {names} are not CIFAR-10's")
    labels = class_indexes(table.raw_labels(), CLASS_NAMES, table.files[0].parent)
    rows = class_balanced_part(labels, params.limit_of(split), split)
    check_not_empty(len(rows), split, table.files[0].parent)

    def samples() -> Iterator[Sample]:
        for row, where, data in table.pictures(rows):
            key = f"{split}_{row:06d}"
            image = decode_picture(data, f"{key} ({where})")
            yield Sample(key, image, int(labels[row]), where)

    return LoadedSplit(CLASS_NAMES, SHAPE, True, len(rows), samples())


def _from_binary(params: Params, split: Split, place: Path) -> LoadedSplit:
    labels = read_labels(place, split)
    rows = class_balanced_part(labels, params.limit_of(split), split)
    check_not_empty(len(rows), split, place)
    return LoadedSplit(CLASS_NAMES, SHAPE, True, len(rows), _records(place, split, rows))


def _records(place: Path, split: Split, rows: NDArray[np.int64]) -> Iterator[Sample]:
    wanted = set(rows.tolist())
    row = 0
    for batch, start, records in read_records(place, split):
        for number, record in enumerate(records, start):
            if row in wanted:
                image = record[1:].reshape(SHAPE)
                yield Sample(batch_key(split, batch, number), image, int(record[0]), f"{batch}#{number}")
            row += 1
