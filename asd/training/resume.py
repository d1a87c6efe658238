"""Checkpoints in mid-stage: after every epoch, keyed by a fingerprint.

They go away when the next step of the cell begins, not at the end of their stage: until DVC
has recorded a stage, a kill makes it run again.

A checkpoint folder `.scratch/<fingerprint>/` holds `state/` (replaced whole after each epoch)
and one file an epoch with what was decided in it. The epoch's file is written first, so a
state never stands without its epochs; a file without its state is written again, alike.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from asd import store
from asd.pools.history import EpochRow, read_history, write_history, write_predictions


@dataclass(frozen=True)
class EpochRecord:
    """What one finished epoch leaves: its row of the history and the probe's predicted classes."""

    row: EpochRow | None
    predicted: NDArray[np.int64] | None


class Checkpoints:
    """The checkpoint folder of one stage."""

    def __init__(self, scratch: Path, fingerprint: str) -> None:
        self.folder = scratch / fingerprint
        self.state_folder = self.folder / "state"
        store.put_back(self.state_folder)

    @property
    def exists(self) -> bool:
        """Whether there is a state to resume from."""
        return self.state_folder.is_dir()

    def save_epoch(self, epoch: int, record: EpochRecord) -> None:
        """Keep what 0-based `epoch` decided; -1 stands for the scoring after the last one."""
        write_history(self._path(epoch, "history"), [record.row] if record.row is not None else [])
        predictions = [] if record.predicted is None else [(epoch + 1, record.predicted)]
        write_predictions(self._path(epoch, "predictions"), predictions)

    def load_epochs(self, epochs: Sequence[int]) -> list[EpochRecord]:
        """Read back the records of `epochs`, in their order."""
        return [self._load(epoch) for epoch in epochs]

    def _load(self, epoch: int) -> EpochRecord:
        rows = read_history(self._path(epoch, "history")).epochs
        table = pq.read_table(self._path(epoch, "predictions"))
        predicted = table["predicted"].to_numpy().astype(np.int64) if table.num_rows else None
        return EpochRecord(rows[0] if rows else None, predicted)

    def _path(self, epoch: int, kind: str) -> Path:
        return self.folder / "epochs" / f"{epoch:05d}.{kind}.parquet"

    def save_timing(self, timing: dict[str, Any]) -> None:
        """Keep seconds so far and the like; lost or old timing harms nothing."""
        store.write_json(self.folder / "timing.json", timing)

    def load_timing(self) -> dict[str, Any]:
        """What `save_timing` kept, or {}."""
        path = self.folder / "timing.json"
        if not path.exists():
            return {}
        loaded: dict[str, Any] = json.loads(path.read_bytes())
        return loaded

    def finish(self, cell: str) -> None:
        """Note that the stage's results are in place; `drop_finished` may remove the folder."""
        marker = _finished(self.folder.parent, cell) / self.folder.name
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def drop_finished(scratch: Path, cell: str, keep: str | None = None) -> None:
    """Remove the checkpoints of finished stages of `cell`, but not the one of fingerprint `keep`."""
    for marker in sorted(_finished(scratch, cell).glob("*")):
        if marker.name == keep:
            continue
        folder, gone = scratch / marker.name, scratch / f"{marker.name}.gone"
        shutil.rmtree(gone, ignore_errors=True)
        if folder.exists():
            folder.rename(gone)  # first, so that no kill leaves half a checkpoint to resume from
            shutil.rmtree(gone, ignore_errors=True)
        marker.unlink(missing_ok=True)


def _finished(scratch: Path, cell: str) -> Path:
    return scratch / "finished" / cell
