"""Parquet tables with a column of pictures (`img` or `image`, bytes or the hub's struct) and `label`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from asd.datasets._parquet import IMAGE_COLUMNS, LABEL_COLUMNS, NO_BYTES, hub_names
from asd.intake.readers.entry import Entry, Limits

_BATCH_BYTES, _BATCH_ROWS = 2 * 2**20, 256
_DAMAGED = "damaged-archive"


def read_table(name: str, stream: BinaryIO, limits: Limits) -> Iterator[Entry]:
    """The rows of one file, named `name#row`; if it is damaged, the last entry says so."""
    row = 0
    try:
        with pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20, memory_map=False) as file:
            image, label = (_column(file, words) for words in (IMAGE_COLUMNS, LABEL_COLUMNS))
            names = hub_names(file.schema_arrow, label)
            for picture, sent in _cells(file, image, label):
                yield _entry(f"{name}#{row}", picture, sent, names, limits)
                row += 1
            if row != file.metadata.num_rows:
                yield Entry(
                    name, code=_DAMAGED, message=f"it says {file.metadata.num_rows} rows and has {row}"
                )
    except MemoryError:
        yield Entry(name, code="reader-died", message=f"row {row} needs too much memory")
    except Exception as error:  # pyarrow fails on broken bytes with errors of several types
        words = (str(error) or type(error).__name__).splitlines()[0]
        yield Entry(name, code=_DAMAGED, message=f"cannot be read as Parquet from row {row}: {words}")


def _column(file: pq.ParquetFile, names: tuple[str, ...]) -> str:
    there = file.schema_arrow.names
    for name in names:
        if there.count(name) == 1:
            return name
    raise ValueError(f"no column {' or '.join(names)} (there are: {', '.join(there[:8]) or 'none'})")


def _cells(file: pq.ParquetFile, image: str, label: str) -> Iterator[tuple[Any, Any]]:
    """Picture and label of each row."""
    is_struct = pa.types.is_struct(file.schema_arrow.field(image).type)
    columns = [f"{image}.bytes" if is_struct else image, label]
    rows = max(1, file.metadata.num_rows)
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, size // rows)))
    for batch in file.iter_batches(batch_rows, columns=columns, use_threads=False):
        pictures, labels = batch.column(image), batch.column(label)
        if is_struct and pictures.type.get_field_index("bytes") >= 0:
            pictures = pictures.field("bytes")
        for place in range(len(batch)):
            yield pictures[place].as_py(), labels[place].as_py()


def _entry(path: str, picture: Any, sent: Any, names: tuple[str, ...] | None, limits: Limits) -> Entry:
    label, problem = _label(sent, names)
    if not isinstance(picture, bytes):
        return Entry(path, label, code="no-picture", message=NO_BYTES, named=False)
    if len(picture) > limits.most_file_bytes:
        words = f"{len(picture)} bytes, at most {limits.most_file_bytes} are allowed"
        return Entry(path, label, None, len(picture), "too-large", words, named=False)
    code, message = problem or ("", "")
    return Entry(path, label, picture, len(picture), code, message, named=False)


def _label(sent: Any, names: tuple[str, ...] | None) -> tuple[str | None, tuple[str, str] | None]:
    """The label as text, and what is wrong with it as a value."""
    if isinstance(sent, float):
        if not math.isfinite(sent):
            return None, None
        sent = int(sent) if sent.is_integer() else str(sent)
    if isinstance(sent, str) or sent is None:
        return sent, None
    if isinstance(sent, bool) or not isinstance(sent, int):
        return None, ("bad-label", f"the label is a {type(sent).__name__}, wanted a name or a whole number")
    if names is not None and 0 <= sent < len(names):
        return names[sent], None
    if sent < 0 or names is not None:
        return str(sent), ("unknown-label", f"the label {sent} is out of the range of the table's classes")
    return str(sent), None
