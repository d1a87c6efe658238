"""Parquet files that hold encoded pictures and labels, as the Hugging Face hub lays them out."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from asd.errors import DataError
from asd.types import Labels

if TYPE_CHECKING:
    from asd.datasets._base import Split

IMAGE_COLUMNS, LABEL_COLUMNS = ("img", "image"), ("label",)
_FOLDERS = (".", "data", "plain_text")
_BATCH = 64  # rows decoded from Parquet at a time
NO_BYTES = "holds no picture bytes (a path alone is not followed)"


def split_files(source: Path, split: Split) -> list[Path]:
    """The files of a split: `<split>.parquet` or `<split>-*.parquet`, in the folder or below it.

    A source that is a single file is the training split.

    Raises:
        DataError: some of the shards that the names count are missing.
    """
    if source.is_file():
        return [source] if split == "train" else []
    for folder in (source / name for name in _FOLDERS):
        if (folder / f"{split}.parquet").is_file():
            return [folder / f"{split}.parquet"]
        files = sorted(folder.glob(f"{split}-*.parquet"))
        if files:
            _check_complete(files)
            return files
    return []


def _check_complete(files: list[Path]) -> None:
    counted = re.search(r"-of-(\d+)\.parquet$", files[0].name)
    if counted and int(counted[1]) != len(files):
        raise DataError(
            f"{files[0].parent}: wanted {int(counted[1])} files like {files[0].name}, got {len(files)}"
        )


@dataclass(frozen=True)
class Table:
    """Some Parquet files read as one: an image column and a label column."""

    files: Sequence[Path]
    image_column: str
    label_column: str

    @classmethod
    def open(cls, files: Sequence[Path], image_column: str | None, label_column: str | None) -> Table:
        """Find the columns: those named, else `img` or `image` and `label`.

        Raises:
            DataError: not Parquet, or no such column.
        """
        schema = open_parquet(files[0]).schema_arrow
        image = _column(schema, files[0], "image_column", [image_column] if image_column else IMAGE_COLUMNS)
        label = _column(schema, files[0], "label_column", [label_column] if label_column else LABEL_COLUMNS)
        for file in files[1:]:
            if not {image, label} <= set(open_parquet(file).schema_arrow.names):
                raise DataError(f"{file}: wanted columns {image} and {label} as in {files[0].name}")
        return cls(files, image, label)

    def metadata_names(self) -> tuple[str, ...] | None:
        """Class names from the hub's metadata in the schema, if there are any."""
        return hub_names(open_parquet(self.files[0]).schema_arrow, self.label_column)

    def raw_labels(self) -> list[int] | list[str]:
        """The labels of all rows, all integers or all strings.

        Raises:
            DataError: a missing label (names its row), or another type.
        """
        found: list[int] | list[str] = []
        for file in self.files:
            column = _read(file, self.label_column)
            if column.null_count:
                row = pc.index(column.is_null(), True).as_py()
                raise DataError(f"{file.name}#{row} has no label")
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            kind = column.type
            if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise DataError(f"{file.name}: labels must be integers or strings, got {kind}")
            found.extend(column.to_pylist())
        if len({type(label) for label in found}) > 1:
            raise DataError(f"{self.files[0].parent}: labels are integers in one file and strings in another")
        return found

    def pictures(self, rows: NDArray[np.int64] | None = None) -> Iterator[tuple[int, str, bytes]]:
        """Row number over all files, `file#row` and the encoded picture, for ascending `rows` or all.

        Raises:
            DataError: a row without picture bytes.
        """
        for row, where, data in self.cells(rows):
            if data is None:
                raise DataError(f"{where} {NO_BYTES}")
            yield row, where, data

    def cells(self, rows: NDArray[np.int64] | None = None) -> Iterator[tuple[int, str, bytes | None]]:
        """Like `pictures`, with None where a row has no picture bytes."""
        wanted = None if rows is None else set(rows.tolist())
        row = 0
        for file in self.files:
            start = row
            for cell in _cells(file, self.image_column):
                if wanted is None or row in wanted:
                    yield row, f"{file.name}#{row - start}", bytes_of(cell.as_py())
                row += 1


def hub_names(schema: pa.Schema, label_column: str) -> tuple[str, ...] | None:
    """Class names from the hub's metadata in a schema, if there are any."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label_column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def class_indexes(raw: Sequence[int] | Sequence[str], names: Sequence[str], where: object) -> Labels:
    """Labels as positions in `names`.

    Raises:
        DataError: a label that is not among the classes.
    """
    place = {name: i for i, name in enumerate(names)}
    labels = np.array([place.get(x, -1) if isinstance(x, str) else x for x in raw], dtype=np.int64)
    bad = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(bad):
        raise DataError(
            f"{where}: row {bad[0]} has label {raw[bad[0]]!r}, which is none of {len(names)} classes"
        )
    return labels


def bytes_of(cell: object) -> bytes | None:
    """The encoded picture in a cell: bytes, or the hub's struct of bytes and path; None if none."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data if isinstance(data, bytes) else None


def _column(schema: pa.Schema, file: Path, param: str, names: Sequence[str]) -> str:
    for name in names:
        if name in schema.names:
            return name
    there = ", ".join(schema.names) or "none"
    raise DataError(
        f"{file}: no column {' or '.join(names)} (there are: {there}); rename it, or set {param} in "
        "params.yaml"
    )


@contextlib.contextmanager
def parquet_errors(file: Path) -> Iterator[None]:
    """What goes wrong inside is a DataError that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from error


def open_parquet(file: Path) -> pq.ParquetFile:
    """Open a file.

    Raises:
        DataError: missing, or not Parquet.
    """
    with parquet_errors(file):
        return pq.ParquetFile(file, pre_buffer=False)


def _read(file: Path, column: str) -> pa.ChunkedArray:
    with parquet_errors(file):
        return open_parquet(file).read(columns=[column])[column]


def _cells(file: Path, column: str) -> Iterator[pa.Scalar]:
    with parquet_errors(file):
        for batch in open_parquet(file).iter_batches(_BATCH, columns=[column]):
            yield from batch.column(0)
