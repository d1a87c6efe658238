"""Thirty identities of your VGGFace2, 224x224: `train/IDENTITY/*.jpg`.

The paper's identities are not published; these are the thirty of `train` with the most pictures
(by name where equal), or those that you name. VGGFace2's own test part has other identities, so a
share of each is held out by content. `asd source set` hashes the files of these identities alone
and lists them in `sources/`. Nothing is downloaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from asd.datasets._base import (
    LoadedSplit,
    Split,
    TestSet,
    check_not_empty,
    class_balanced_part,
    is_held_out,
    need_source,
)
from asd.datasets._class_folders import (
    ClassFolderParams,
    Photograph,
    check_enough,
    each_once,
    photographs,
    samples_of,
    some,
)
from asd.errors import DataError
from asd.progress import Reporter
from asd.sources import source_files


class Params(ClassFolderParams):
    """Which identities, and what is held out of them."""

    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="identities such as n000002; null: those with the most pictures"
    )
    identities: int = Field(30, ge=2, description="how many, where none are named")
    least: int = Field(100, ge=2, description="pictures that an identity must have")
    test: TestSet = Field(
        "held_out", description="held_out: a share of the pictures, by content; folder: a test set of yours"
    )
    held_out: float = Field(0.2, gt=0, lt=1, description="that share")

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return classes if classes is None else each_once(classes)


def chosen_files(params: Params, source: Path) -> list[Path]:
    """The pictures of the identities, sorted by name.

    Raises:
        DataError: as `load`.
    """
    return [one.path for one in _chosen(params, source)[1]]


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split of shape (3, image_size, image_size); class names are the identities.

    Raises:
        DataError: no such folder, an identity without one or with too few pictures, or a broken picture.
    """
    source = need_source(source, "vggface2")
    names, found = _chosen(params, source)
    test = split == "test"
    found = [one for one in found if is_held_out(one.read(), params.held_out) == test]
    check_not_empty(len(found), split, source)
    _check_each(found, names, split, params.held_out)
    place = {name: i for i, name in enumerate(names)}
    labels = np.array([place[one.class_name] for one in found], dtype=np.int64)
    rows = class_balanced_part(labels, params.limit_of(split), split)
    samples = samples_of(split, (found[row] for row in rows.tolist()), names, params)
    return LoadedSplit(names, (3, params.image_size, params.image_size), True, len(rows), samples)


def _chosen(params: Params, source: Path) -> tuple[tuple[str, ...], list[Photograph]]:
    part = source / "train"
    if not part.is_dir():
        raise DataError(f"{source} has no folder 'train': wanted VGGFace2's, with a folder for each identity")
    names = params.classes or _largest(part, params.identities)
    found = photographs(source, part, names)
    check_enough(Counter(one.class_name for one in found), names, params.least, part)
    return names, found


def _check_each(found: list[Photograph], names: Sequence[str], split: Split, held_out: float) -> None:
    """Every identity needs pictures in both parts, which are drawn by content."""
    empty = sorted(set(names) - {one.class_name for one in found})
    if empty:
        raise DataError(
            f"{split}: held_out {held_out} left no picture of {some(empty)}; choose another held_out, or "
            "identities with more pictures"
        )


def _largest(part: Path, wanted: int) -> tuple[str, ...]:
    counts = {
        folder.name: sum(1 for _ in source_files(folder))
        for folder in part.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    }
    if len(counts) < wanted:
        raise DataError(f"{part} has {len(counts)} identities, wanted {wanted}")
    return tuple(sorted(sorted(counts, key=lambda name: (-counts[name], name))[:wanted]))
