"""A folder of pictures and a CSV of path and label: `train.csv` and `test.csv`, or one and `held_out`.

The first line names the columns; paths count from the folder and may not leave it. Classes are
the labels in sorted order, numbers by value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from asd.datasets._base import LoadedSplit, Split, check_not_empty, need_source
from asd.datasets._images import PictureParams
from asd.datasets._labels_file import Row, read_labels
from asd.datasets._pictures import (
    Encoded,
    PictureTable,
    Rows,
    load_split,
    name_key,
    names_of,
    read_file,
    to_labels,
)
from asd.errors import DataError
from asd.progress import Reporter
from asd.sources import source_files


class Params(PictureParams):
    """Pictures of any size; give `image_size` unless all are alike."""

    labels: str | None = Field(
        None, description="file in the folder; null: train.csv and test.csv, or the only CSV with held_out"
    )
    path_column: str | None = Field(None, description="null: path, image, file, filename...")
    label_column: str | None = Field(None, description="null: label, class...")


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split; the shape is that of its first picture unless `image_size` is set."""
    source = need_source(source, "csv")
    return load_split(params, split, open_table(params, source, split), source)


def open_table(params: Params, source: Path, split: Split) -> PictureTable:
    """The pictures of a split, or with `held_out` all.

    Raises:
        DataError: no such labels file, or a line that is not in order; names file and line.
    """
    if not source.is_dir():
        raise DataError(f"{source} is not a folder")
    there = {path.relative_to(source).as_posix(): path for path in source_files(source)}
    train = _rows(params, source, "train", there)
    names = names_of((row.label for row in train), params.class_names)
    rows = train if split == "train" or params.held_out is not None else _rows(params, source, split, there)
    others = len(there) - len(rows) - 1

    def read(wanted: Rows | None) -> Iterator[Encoded]:
        for i in range(len(rows)) if wanted is None else wanted.tolist():
            yield Encoded(i, rows[i].path, read_file(there[rows[i].path]))

    return PictureTable(
        names,
        to_labels(((row.where, row.label) for row in rows), names),
        key=lambda i: name_key(rows[i].path),
        read=read,
        notes=(f"{others} files of the folder are not in the labels file",)
        if others and params.held_out
        else (),
    )


def _rows(params: Params, source: Path, split: Split, there: dict[str, Path]) -> list[Row]:
    file = source / _labels_name(params, source, split)
    if not file.is_file():
        raise DataError(
            f"{source} has no {file.name}; without a test split set labels and held_out, such as 0.2"
        )
    rows = read_labels(file, params.path_column, params.label_column)
    check_not_empty(len(rows), split, file)
    first: dict[str, Row] = {}
    for row in rows:
        _check_path(row, source, there)
        if row.path in first:
            raise DataError(f"{row.where} names {row.path} again (first in line {first[row.path].line})")
        first[row.path] = row
    return rows


def _labels_name(params: Params, source: Path, split: Split) -> str:
    if params.labels is not None:
        if params.held_out is None:
            raise DataError("labels is one file for all pictures; set held_out, such as 0.2")
        return params.labels
    if params.held_out is None:
        return f"{split}.csv"
    found = sorted(path.name for path in source.glob("*.csv") if not path.name.startswith("."))
    if len(found) != 1:
        raise DataError(f"{source}: wanted one CSV, got {', '.join(found) or 'none'}; say which in labels")
    return found[0]


def _check_path(row: Row, source: Path, there: dict[str, Path]) -> None:
    path = there.get(row.path)
    if path is None:
        alike = [name for name in there if name.lower() == row.path.lower()]
        hint = f"; did you mean {alike[0]!r}?" if alike else ""
        raise DataError(f"{row.where}: no file {row.path!r} in {source}{hint}")
    if path.is_symlink() and not path.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{row.where}: {row.path!r} is a link that leaves {source}")
