"""`asd audit export`: samples of a run as Parquet, CSV, JSON lines or a list of keys, in one pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from asd.audit.ledger import Ledger
from asd.audit.queries import SampleFilter
from asd.audit.runs import Run
from asd.errors import ParamsError
from asd.layout import Layout
from asd.store import atomic_file

SUFFIXES = (".parquet", ".csv", ".jsonl", ".txt")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_target(layout: Layout, file: Path, *, keys_only: bool, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or must not be.

    Raises:
        ParamsError: an unknown suffix, a file that is there, or a place where the pipeline or
            people keep theirs.
    """
    if file.suffix not in SUFFIXES:
        raise ParamsError(f"{file.name}: wanted a name that ends with {', '.join(SUFFIXES)}")
    if keys_only and file.suffix != ".txt":
        raise ParamsError(
            f"--keys-only writes one key a line: wanted a name that ends with .txt, got {file.name}"
        )
    if file.is_dir():
        raise ParamsError(f"{file} is a folder; give a file")
    kept = (layout.data, layout.reviews, layout.models, layout.root / ".dvc", layout.local)
    place = file.resolve()
    if place == layout.trusted_seeds.resolve() or any(place.is_relative_to(f.resolve()) for f in kept):
        raise ParamsError(f"{file} lies where the workspace keeps its own files; give another place")
    if file.exists() and not overwrite:
        raise ParamsError(f"{file} is there already; give another name, or --overwrite")


def export(ledger: Ledger, run: Run, where: SampleFilter, file: Path) -> int:
    """Write the samples that a filter finds, in view order, atomically; how many.

    Raises:
        ParamsError: there is none.
        DiskError: the place may not be written to, or is full.
    """
    condition, values = where.where(run)
    columns = "key" if file.suffix == ".txt" else "* exclude (row)"
    batches = ledger.batches(f"select {columns} from samples where {condition}", values)
    counted = _Counted(batches)
    with atomic_file(file) as temporary:
        _WRITERS[file.suffix](temporary, counted)
        if not counted.rows:
            raise ParamsError(f"no sample of {run.name} fits; nothing is written")
    return counted.rows


class _Counted:
    """Record batches, counted as they pass."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self.rows, self._batches = 0, batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _parquet(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


def write_csv(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """A CSV file; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    writer: pa.csv.CSVWriter | None = None
    try:
        for batch in batches:
            safe = pa.RecordBatch.from_arrays(
                [_without_formulas(column) for column in batch.columns], schema=batch.schema
            )
            writer = writer or pa.csv.CSVWriter(path, safe.schema)
            writer.write_batch(safe)
    finally:
        if writer is not None:
            writer.close()


def _without_formulas(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column
    starts = [pc.starts_with(column, pattern=mark) for mark in _FORMULA]
    formula = starts[0]
    for more in starts[1:]:
        formula = pc.or_(formula, more)
    return pc.if_else(formula, pc.binary_join_element_wise("'", column, ""), column)


def _jsonl(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    with path.open("w", encoding="ascii") as stream:
        for batch in batches:
            for row in batch.to_pylist():
                stream.write(json.dumps(plain(row), sort_keys=True, allow_nan=False) + "\n")


def _keys(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    with path.open("w", encoding="ascii") as stream:
        for batch in batches:
            stream.writelines(f"{key}\n" for key in batch["key"].to_pylist())


_WRITERS: dict[str, Callable[[Path, Iterable[pa.RecordBatch]], None]] = {
    ".parquet": _parquet,
    ".csv": write_csv,
    ".jsonl": _jsonl,
    ".txt": _keys,
}


def plain(value: Any) -> Any:
    """A value of the database as JSON has it: dates and the like as text, nan and infinity as null."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
