"""The per-sample history of a stage: loss, virtual loss and pool membership of every epoch.

`history.parquet` has one row group an epoch, rows in manifest order; what holds for a whole
epoch (rule, cut, warnings) stands as one JSON text in the file's metadata.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from asd import store
from asd.errors import DataError
from asd.types import Losses, Mask

_KEY = b"asd"
_SCHEMA = pa.schema(
    [("epoch", pa.int32()), ("loss", pa.float32()), ("virtual_loss", pa.float32()), ("in_clean", pa.bool_())]
)


@dataclass(frozen=True)
class EpochRow:
    """What one epoch decided, N samples in manifest order.

    Attributes:
        epoch: 0-based; for rule `final` the number of finished epochs.
        rule: `class-aware`, `class-agnostic`, `meta-split`, `kept` (the pool of the epoch before)
            or `final` (a last scoring, no training after it).
        cut: highest score let in; nan where nothing was ranked.
        loss: SCE of the model at the start of the epoch, float32 (N,).
        in_clean: clean-pool membership, bool (N,).
        virtual_loss: SCE of the virtual model, float32 (N,), or None.
        warnings: of the collapse guard, in words.
        notes: further JSON values, such as the tries of the virtual model.
    """

    epoch: int
    rule: str
    cut: float
    loss: Losses
    in_clean: Mask
    virtual_loss: Losses | None = None
    warnings: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """All recorded epochs of a stage, in order."""

    epochs: tuple[EpochRow, ...]


def write_history(path: Path, rows: Sequence[EpochRow]) -> None:
    """Save rows; none at all gives a file with no row group (a stage that was handed on)."""
    facts = [
        {
            "epoch": row.epoch,
            "rule": row.rule,
            "cut": None if math.isnan(row.cut) else row.cut,
            "size": int(row.in_clean.sum()),
            "warnings": list(row.warnings),
            "notes": row.notes,
        }
        for row in rows
    ]
    schema = _SCHEMA.with_metadata({_KEY: json.dumps({"epochs": facts}, sort_keys=True).encode()})
    with (
        store.atomic_file(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for row in rows:
            writer.write_table(_table(row).cast(schema), row_group_size=len(row.loss))


def _table(row: EpochRow) -> pa.Table:
    count = len(row.loss)
    virtual = (
        pa.nulls(count, pa.float32())
        if row.virtual_loss is None
        else pa.array(row.virtual_loss, pa.float32())
    )
    return pa.table(
        [
            pa.array(np.full(count, row.epoch, dtype=np.int32)),
            pa.array(row.loss, pa.float32()),
            virtual,
            pa.array(row.in_clean, pa.bool_()),
        ],
        schema=_SCHEMA,
    )


def read_history(path: Path) -> History:
    """Load what `write_history` saved.

    Raises:
        DataError: the file is missing or is not a history.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a history: {error}") from error
    with file:
        facts = json.loads((file.schema_arrow.metadata or {}).get(_KEY, b'{"epochs": []}'))["epochs"]
        if len(facts) != file.num_row_groups:
            raise DataError(f"{path}: metadata names {len(facts)} epochs, the file has {file.num_row_groups}")
        return History(tuple(_row(fact, file.read_row_group(i)) for i, fact in enumerate(facts)))


def _row(fact: dict[str, Any], table: pa.Table) -> EpochRow:
    virtual = table["virtual_loss"]
    return EpochRow(
        epoch=fact["epoch"],
        rule=fact["rule"],
        cut=math.nan if fact["cut"] is None else fact["cut"],
        loss=table["loss"].to_numpy(),
        in_clean=table["in_clean"].to_numpy(),
        virtual_loss=None if virtual.null_count else virtual.to_numpy(),
        warnings=tuple(fact["warnings"]),
        notes=fact["notes"],
    )


def write_predictions(path: Path, rows: Sequence[tuple[int, np.ndarray[Any, Any]]]) -> None:
    """Save (finished epochs, predicted classes of the probe images) as one row group each."""
    schema = pa.schema([("epoch", pa.int32()), ("predicted", pa.int16())])
    with (
        store.atomic_file(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for epoch, predicted in rows:
            columns = [
                pa.array(np.full(len(predicted), epoch, dtype=np.int32)),
                pa.array(predicted.astype(np.int16)),
            ]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=max(1, len(predicted)))
