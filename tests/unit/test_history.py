"""The history file: a row group an epoch, facts in the metadata, equal bytes for equal rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from asd.errors import DataError
from asd.pools.history import EpochRow, read_history, write_history


def rows() -> list[EpochRow]:
    loss = np.array([0.5, 1.5, 2.5], dtype=np.float32)
    return [
        EpochRow(0, "class-aware", float("nan"), loss, np.array([True, False, False])),
        EpochRow(
            1, "meta-split", 0.25, loss, np.array([True, True, False]), loss / 2, ("careful",), {"a": 1}
        ),
    ]


def test_a_history_comes_back_as_it_went(tmp_path: Path) -> None:
    write_history(tmp_path / "h.parquet", rows())
    first, second = read_history(tmp_path / "h.parquet").epochs
    assert np.isnan(first.cut)
    assert first.virtual_loss is None
    assert (second.rule, second.cut, second.warnings, second.notes) == (
        "meta-split",
        0.25,
        ("careful",),
        {"a": 1},
    )
    assert second.virtual_loss is not None
    assert second.virtual_loss.tolist() == [0.25, 0.75, 1.25]
    assert second.in_clean.tolist() == [True, True, False]
    assert pq.ParquetFile(tmp_path / "h.parquet").num_row_groups == 2


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_history(tmp_path / name, rows())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_stage_handed_on_has_an_empty_history(tmp_path: Path) -> None:
    write_history(tmp_path / "h.parquet", [])
    assert read_history(tmp_path / "h.parquet").epochs == ()


def test_what_is_not_a_history_is_named(tmp_path: Path) -> None:
    (tmp_path / "h.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"h.parquet is not a history"):
        read_history(tmp_path / "h.parquet")
    with pytest.raises(DataError, match="missing file"):
        read_history(tmp_path / "none.parquet")
