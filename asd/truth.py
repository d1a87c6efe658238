"""What we planted ourselves. No defense may import this module, not even through another one.

Truth records only what the poison step planted, or was told of an imported set. On data that
somebody vouches for (`trusted`) everything else is clean; on data that nobody vouches for it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from asd import store
from asd.errors import DataError
from asd.types import Labels, Mask

POISONED = "poisoned"
DECOY = "decoy"  # changed by the attacker but rightly labelled (WaNet's noise mode)
ROLES = (POISONED, DECOY)
NOT_KNOWN = -1  # in labels before: nobody says
ALONE = "alone_"
"""Begins the key of a triggered test image whose clean picture is not known; no other key does."""


@dataclass(frozen=True)
class PoisonTruth:
    """The samples that were changed, by us or, in an imported set, by others.

    Attributes:
        keys: their keys, in manifest order.
        roles: `poisoned` or `decoy` for each.
        labels_before: the label of each before it was changed, int64; `NOT_KNOWN` where nobody says.
    """

    keys: tuple[str, ...]
    roles: tuple[str, ...]
    labels_before: Labels

    def poisoned_mask(self, keys: tuple[str, ...]) -> Mask:
        """Which of `keys` are poisoned, shape (N,).

        Raises:
            DataError: a poisoned key is not among `keys`.
        """
        return self._mask(keys, {k for k, r in zip(self.keys, self.roles, strict=True) if r == POISONED})

    def changed_mask(self, keys: tuple[str, ...]) -> Mask:
        """Which of `keys` we changed in any role, shape (N,)."""
        return self._mask(keys, set(self.keys))

    @staticmethod
    def _mask(keys: tuple[str, ...], wanted: set[str]) -> Mask:
        missing = wanted.difference(keys)
        if missing:
            raise DataError(f"truth names {len(missing)} unknown samples, such as {min(missing)!r}")
        return np.array([key in wanted for key in keys], dtype=np.bool_)


def write_truth(path: Path, truth: PoisonTruth) -> None:
    """Save as Parquet with columns key, role, label_before (null where it is not known)."""
    before, unknown = truth.labels_before, truth.labels_before == NOT_KNOWN
    table = pa.table(
        {
            "key": pa.array(truth.keys, pa.string()),
            "role": pa.array(truth.roles, pa.string()),
            "label_before": pa.array(before, pa.int64(), mask=unknown if unknown.any() else None),
        }
    )
    store.write_parquet(path, table)


def read_truth(path: Path) -> PoisonTruth:
    """Load what `write_truth` saved.

    Raises:
        DataError: the file is missing or has other columns or roles.
    """
    table = store.read_parquet(path)
    if table.column_names != ["key", "role", "label_before"]:
        raise DataError(f"{path}: wanted columns key, role, label_before, got {table.column_names}")
    roles = tuple(table["role"].to_pylist())
    if set(roles) - set(ROLES):
        raise DataError(f"{path}: wanted roles {ROLES}, got {sorted(set(roles))}")
    before = table["label_before"].fill_null(NOT_KNOWN).to_numpy()
    return PoisonTruth(tuple(table["key"].to_pylist()), roles, before)


@dataclass(frozen=True)
class ProbeTruth:
    """What each image of the probe set is.

    Attributes:
        keys: opaque keys, in probe order.
        test_keys: the key of the test image behind each.
        triggered: whether it carries the trigger, bool.
        labels: the true label of the test image, int64.
    """

    keys: tuple[str, ...]
    test_keys: tuple[str, ...]
    triggered: Mask
    labels: Labels


def write_probe_truth(path: Path, truth: ProbeTruth) -> None:
    """Save as Parquet with columns key, test_key, triggered, label."""
    table = pa.table(
        {
            "key": pa.array(truth.keys, pa.string()),
            "test_key": pa.array(truth.test_keys, pa.string()),
            "triggered": pa.array(truth.triggered, pa.bool_()),
            "label": pa.array(truth.labels, pa.int64()),
        }
    )
    store.write_parquet(path, table)


def read_probe_truth(path: Path) -> ProbeTruth:
    """Load what `write_probe_truth` saved.

    Raises:
        DataError: the file is missing or has other columns.
    """
    table = store.read_parquet(path)
    wanted = ["key", "test_key", "triggered", "label"]
    if table.column_names != wanted:
        raise DataError(f"{path}: wanted columns {', '.join(wanted)}, got {table.column_names}")
    return ProbeTruth(
        tuple(table["key"].to_pylist()),
        tuple(table["test_key"].to_pylist()),
        table["triggered"].to_numpy(),
        table["label"].to_numpy(),
    )
