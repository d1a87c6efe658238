"""Anybody's Parquet: a folder with train and test files, or one file and `held_out`.

The image column holds encoded pictures, as bytes or as the hub's struct of bytes and path; the
label column integers or strings. Class names in this order of preference: `class_names` of the
params, the hub's metadata, string labels of the training split in sorted order, "0", "1", ...
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from asd.datasets._base import (
    LoadedSplit,
    Split,
    check_not_empty,
    class_balanced_part,
    is_held_out,
    need_source,
    shape_of_first,
)
from asd.datasets._images import PictureParams
from asd.datasets._parquet import Table, class_indexes, split_files
from asd.errors import DataError
from asd.progress import Reporter
from asd.types import Sample


class Params(PictureParams):
    """Pictures of any size, two columns."""

    image_column: str | None = Field(None, description="null: img or image")
    label_column: str | None = Field(None, description="null: label")
    class_names: tuple[str, ...] | None = Field(None, min_length=1, description="name of label 0, 1, ...")


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split; the shape is that of its first picture unless `image_size` is set."""
    source = need_source(source, "parquet")
    if params.held_out is not None and split_files(source, "test"):
        raise DataError(f"{source} has a test split; leave out held_out")
    train = _table(params, source, "train")
    names = _class_names(params, train)
    table = train if split == "train" or params.held_out is not None else _table(params, source, split)
    labels = class_indexes(table.raw_labels(), names, table.files[0].parent)
    rows = np.arange(len(labels), dtype=np.int64)
    if params.held_out is not None:
        held = np.array([is_held_out(data, params.held_out) for _, _, data in table.pictures()], np.bool_)
        rows = rows[held == (split == "test")]
    rows = rows[class_balanced_part(labels[rows], params.limit_of(split), split)]
    check_not_empty(len(rows), split, source)

    def samples() -> Iterator[Sample]:
        for row, where, data in table.pictures(rows):
            key = f"{split}_{row:06d}"
            yield Sample(key, params.decode(data, f"{key} ({where})"), int(labels[row]), where)

    shape, whole = shape_of_first(samples())
    return LoadedSplit(names, shape, params.trusted, len(rows), whole)


def _table(params: Params, source: Path, split: Split) -> Table:
    files = split_files(source, split)
    if not files:
        wanted = f"{split}.parquet or {split}-*.parquet"
        cure = "" if split == "train" else "; without a test split set held_out, such as 0.2"
        raise DataError(f"{source} has no {wanted}{cure}")
    return Table.open(files, params.image_column, params.label_column)


def _class_names(params: Params, train: Table) -> tuple[str, ...]:
    names = params.class_names or train.metadata_names()
    if names is not None:
        return names
    raw = train.raw_labels()
    check_not_empty(len(raw), "train", train.files[0].parent)
    strings = {label for label in raw if isinstance(label, str)}
    numbers = [label for label in raw if isinstance(label, int)]
    return tuple(sorted(strings)) if strings else tuple(str(i) for i in range(max(numbers) + 1))
