"""Encoded pictures with labels, and how they become samples: alike for all data of strangers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd.datasets._base import (
    LoadedSplit,
    Split,
    check_not_empty,
    class_balanced_part,
    is_held_out,
    shape_of_first,
)
from asd.datasets._decode import UnreadableError
from asd.datasets._images import PictureParams
from asd.errors import DataError, nearest
from asd.types import Labels, LeftOut, Mask, Sample

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """A picture as it lies in the source: its row, its place, and its bytes or why there are none."""

    row: int
    where: str
    data: bytes | UnreadableError


@dataclass(frozen=True)
class PictureTable:
    """N pictures that have not been read yet.

    Attributes:
        class_names: K names; label i is class_names[i].
        labels: shape (N,).
        key: a row's key without the split.
        read: pictures of ascending rows, or of all (None), one after the other.
        strays: names of files in no class folder (only where they are left out).
        notes: what a person should know of the source, in words.
    """

    class_names: tuple[str, ...]
    labels: Labels
    key: Callable[[int], str]
    read: Callable[[Rows | None], Iterator[Encoded]]
    strays: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def load_split(params: PictureParams, split: Split, table: PictureTable, source: Path) -> LoadedSplit:
    """The samples of a split; the shape is that of the first picture unless `image_size` is set.

    With `held_out`, `table` is the whole set. A picture that cannot be read stops or is left out,
    as `unreadable` says.

    Raises:
        DataError: there is no picture, or none that can be read.
    """
    rows = np.arange(len(table), dtype=np.int64)
    if params.held_out is not None:
        rows = rows[_held_out(table, params.held_out) == (split == "test")]
    rows = rows[class_balanced_part(table.labels[rows], params.limit_of(split), split)]
    check_not_empty(len(rows), split, source)
    strays = table.strays if params.held_out is None or split == "train" else ()
    left_out = [LeftOut(f"{split}_{name_key(name)}", name, "lies in no class folder") for name in strays]
    count = len(rows) + len(left_out)

    def samples() -> Iterator[Sample]:
        for encoded in table.read(rows):
            key = f"{split}_{table.key(encoded.row)}"
            try:
                if isinstance(encoded.data, UnreadableError):
                    raise encoded.data
                image = params.decode(encoded.data, f"{key} ({encoded.where})")
            except UnreadableError as error:
                if params.unreadable == "stop":
                    raise
                left_out.append(LeftOut(key, encoded.where, error.reason))
                continue
            yield Sample(key, image, int(table.labels[encoded.row]), encoded.where)

    try:
        shape, whole = shape_of_first(samples())
    except StopIteration:
        raise DataError(
            f"{source}: no picture of the {split} split can be read; of the first one: {left_out[-1].reason}"
        ) from None
    return LoadedSplit(table.class_names, shape, params.trusted, count, whole, left_out)


def _held_out(table: PictureTable, fraction: float) -> Mask:
    """Which pictures belong to the test part; one without bytes does not."""
    draws = (isinstance(one.data, bytes) and is_held_out(one.data, fraction) for one in table.read(None))
    return np.fromiter(draws, np.bool_, len(table))


def name_key(name: str) -> str:
    """A key by name, which stays the same when pictures are added beside it."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def read_file(path: Path) -> bytes | UnreadableError:
    """The bytes of a picture file, or why they cannot be had."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return UnreadableError(f"cannot read {path}: {reason}", f"cannot be read: {reason}")


def names_of(found: Iterable[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Class names: those of the params, else those found, sorted; whole numbers by value."""
    if wanted is not None:
        return tuple(wanted)
    names = set(found)
    if all(_is_number(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def to_labels(found: Iterable[tuple[str, str]], class_names: Sequence[str]) -> Labels:
    """Positions of labels in the class names; a number is one where no class is named by a number.

    Args:
        found: (place in words, label) of each picture.

    Raises:
        DataError: a label that is no class; names its place.
    """
    place = {name: i for i, name in enumerate(class_names)}
    if not any(map(_is_number, class_names)):
        place.update({str(i): i for i in range(len(class_names))})
    labels = []
    for where, text in found:
        if text not in place:
            raise DataError(
                f"{where} has label {text!r}, which is none of {len(class_names)} classes"
                f"{nearest(text, class_names)}"
            )
        labels.append(place[text])
    return np.array(labels, dtype=np.int64)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
