"""Seed sets: images that somebody vouches for, ranked per class.

Each defense takes the first w of every class. `asd.seeds.drawing` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from asd import store
from asd.errors import DataError, ParamsError
from asd.types import Labels

Origin = Literal["oracle", "keys", "folder", "transfer", "sift"]

NOTES: dict[Origin, str] = {
    "oracle": "evaluation only: drawn with knowledge of what was planted",
    "keys": "keys that a person named as trusted",
    "folder": "trusted images from outside the training set",
    "transfer": "no seed: the first model was trained on images of another data set",
    "sift": "experimental: chosen by a program from the data itself, poison and all; nobody vouches for "
    "them, and the risk was accepted",
}
EXTRA = "extra"
"""Folder of the shards with images from outside the training set: the seeds (origin `folder`), or what
the first model was trained on (`transfer`)."""
SIGNALS = "signals.parquet"
"""Of origin `sift`: why each seed was chosen."""
INIT, DOMAIN_GAP = "init.safetensors", "domain_gap.json"
"""Of origin `transfer`: the first model, and how far its seeds are from the training data."""

_RANKED = "ranked.parquet"
_ABOUT = "seed_set.json"
_COLUMNS = ["key", "label", "rank"]


@dataclass(frozen=True)
class SeedSet:
    """Trusted samples, sorted by label, then rank.

    Attributes:
        origin: where they come from.
        keys: S keys.
        labels: label of each, int64, shape (S,).
        ranks: 0 is best, int64, shape (S,); 0, 1, 2... within each class.
        limited: labels of the classes that have more seeds than are listed.
        extra: shards to append to the training set; None unless origin is `folder`.
        init: the first model; None unless origin is `transfer`.
        vouched_by: who vouches for how many, where that is on record.
    """

    origin: Origin
    keys: tuple[str, ...]
    labels: Labels
    ranks: Labels
    limited: tuple[int, ...] = ()
    extra: Path | None = None
    init: Path | None = None
    vouched_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What is to be said of the set in a report."""
        names = ", ".join(f"{name} ({count})" for name, count in self.vouched_by.items())
        return NOTES[self.origin] + (f"; vouched for by {names}" if names else "")

    def first(self, per_class: int) -> tuple[str, ...]:
        """The keys of the best `per_class` of every class; a class with fewer gives all it has.

        Raises:
            ParamsError: more than the list of a class holds, though there are more.
        """
        if per_class < 1:
            raise ValueError(f"per_class must be 1 or more, got {per_class}")
        for label in self.limited:
            listed = int((self.labels == label).sum())
            if per_class > listed:
                raise ParamsError(
                    f"{per_class} seeds per class asked for, but the seed set lists the first {listed} of "
                    f"class {label}"
                )
        return tuple(
            key for key, rank in zip(self.keys, self.ranks.tolist(), strict=True) if rank < per_class
        )

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Refuse a set in which a class has no seed.

        Raises:
            DataError: names the classes.
        """
        present = set(self.labels.tolist())
        missing = [name for label, name in enumerate(class_names) if label not in present]
        if missing:
            raise DataError(f"no seed for {_classes(missing)}; every class needs at least one trusted image")


def _classes(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"class {shown}" if len(names) == 1 else f"classes {shown}{more}"


def write_seed_set(folder: Path, seeds: SeedSet, class_names: Sequence[str]) -> None:
    """Write the ranked list and what is to be said of it into `folder`, which exists."""
    table = pa.table(
        {
            "key": pa.array(seeds.keys, pa.string()),
            "label": pa.array(seeds.labels, pa.int64()),
            "rank": pa.array(seeds.ranks, pa.int64()),
        }
    )
    store.write_parquet(folder / _RANKED, table)
    about = {
        "origin": seeds.origin,
        "note": seeds.note,
        "counts": {name: int((seeds.labels == label).sum()) for label, name in enumerate(class_names)},
        "limited": list(seeds.limited),
        "vouched_by": dict(seeds.vouched_by),
    }
    store.write_json(folder / _ABOUT, about)


def read_seed_set(folder: Path) -> SeedSet:
    """Load what the seed step wrote.

    Raises:
        DataError: a file is missing or is not what `write_seed_set` writes.
    """
    about = store.read_json(folder / _ABOUT)
    origin = about.get("origin") if isinstance(about, dict) else None
    if origin not in NOTES:
        raise DataError(f"{folder / _ABOUT}: wanted origin {', '.join(NOTES)}, got {origin!r}")
    table = store.read_parquet(folder / _RANKED)
    if table.column_names != _COLUMNS:
        raise DataError(f"{folder / _RANKED}: wanted columns {_COLUMNS}, got {table.column_names}")
    return SeedSet(
        origin=origin,
        keys=tuple(table["key"].to_pylist()),
        labels=table["label"].to_numpy(),
        ranks=table["rank"].to_numpy(),
        limited=tuple(about.get("limited", ())),
        vouched_by=dict(about.get("vouched_by", {})),
        extra=folder / EXTRA if origin == "folder" else None,
        init=folder / INIT if origin == "transfer" else None,
    )
