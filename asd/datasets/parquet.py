"""Anybody's Parquet: a folder with train and test files, or one file and `held_out`.

The image column holds encoded pictures, as bytes or as the hub's struct of bytes and path; the
label column integers or strings. Class names in this order of preference: `class_names` of the
params, the hub's metadata, string labels of the training split in sorted order, "0", "1", ...
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from asd.datasets._base import LoadedSplit, Split, check_not_empty, need_source
from asd.datasets._decode import UnreadableError
from asd.datasets._images import PictureParams
from asd.datasets._parquet import NO_BYTES, Table, class_indexes, split_files
from asd.datasets._pictures import Encoded, PictureTable, Rows, load_split
from asd.errors import DataError
from asd.progress import Reporter


class Params(PictureParams):
    """Pictures of any size, two columns."""

    image_column: str | None = Field(None, description="null: img or image")
    label_column: str | None = Field(None, description="null: label")


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split; the shape is that of its first picture unless `image_size` is set."""
    source = need_source(source, "parquet")
    return load_split(params, split, open_table(params, source, split), source)


def open_table(params: Params, source: Path, split: Split) -> PictureTable:
    """The pictures of a split, or with `held_out` all.

    Raises:
        DataError: no such files or columns, or a label that is no class.
    """
    if params.held_out is not None and split_files(source, "test"):
        raise DataError(f"{source} has a test split; leave out held_out")
    train = _table(params, source, "train")
    names = _class_names(params, train)
    table = train if split == "train" or params.held_out is not None else _table(params, source, split)

    def read(rows: Rows | None) -> Iterator[Encoded]:
        for row, where, data in table.cells(rows):
            yield Encoded(
                row, where, UnreadableError(f"{where} {NO_BYTES}", NO_BYTES) if data is None else data
            )

    labels = class_indexes(table.raw_labels(), names, table.files[0].parent)
    return PictureTable(names, labels, key=lambda row: f"{row:06d}", read=read)


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
