"""Folders of pictures, one folder a class: `train/` and `test/`, or one set and `held_out`.

Classes are the folders of the training part in sorted order (by code point). Files and folders
whose names start with a dot do not count; everything else must be a picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.datasets._base import (
    LoadedSplit,
    Split,
    check_not_empty,
    class_balanced_part,
    is_held_out,
    need_source,
    shape_of_first,
)
from asd.datasets._images import PictureParams
from asd.errors import DataError
from asd.progress import Reporter
from asd.sources import source_files
from asd.types import Sample


class Params(PictureParams):
    """Pictures of any size; give `image_size` unless all are alike."""


@dataclass(frozen=True)
class _File:
    """A picture: its path, its path relative to the source, and its class folder."""

    path: Path
    name: str
    class_name: str


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split; the shape is that of its first picture unless `image_size` is set."""
    source = need_source(source, "imagefolder")
    if not source.is_dir():
        raise DataError(f"{source} is not a folder")
    files, names = _split_files(params, split, source)
    place = {name: i for i, name in enumerate(names)}
    labels = np.array([place[file.class_name] for file in files], dtype=np.int64)
    rows = class_balanced_part(labels, params.limit_of(split), split).tolist()
    check_not_empty(len(rows), split, source)

    def samples() -> Iterator[Sample]:
        for row in rows:
            # A key by name stays the same when pictures are added beside it.
            key = f"{split}_{hashlib.sha256(files[row].name.encode()).hexdigest()[:16]}"
            image = params.decode(_read(files[row].path), f"{key} ({files[row].name})")
            yield Sample(key, image, int(labels[row]), files[row].name)

    shape, whole = shape_of_first(samples())
    return LoadedSplit(names, shape, params.trusted, len(rows), whole)


def _split_files(params: Params, split: Split, source: Path) -> tuple[list[_File], tuple[str, ...]]:
    """The files of a split and the class names."""
    if params.held_out is not None:
        if (source / "train").is_dir() and (source / "test").is_dir():
            raise DataError(f"{source} has folders train and test; leave out held_out")
        everything = _pictures(source, source)
        names = _class_names(source, everything)
        wanted = split == "test"
        return [f for f in everything if is_held_out(_read(f.path), params.held_out) == wanted], names
    for part in ("train", "test"):
        if not (source / part).is_dir():
            raise DataError(
                f"{source} has no folder {part!r}; without a test split set held_out, such as 0.2"
            )
    train = _pictures(source, source / "train")
    names = _class_names(source / "train", train)
    if split == "train":
        return train, names
    files = _pictures(source, source / "test")
    unknown = [file.name for file in files if file.class_name not in names]
    if unknown:
        raise DataError(f"{source}: {unknown[0]} is of a class that train/ does not have")
    return files, names


def _pictures(source: Path, part: Path) -> list[_File]:
    files = []
    for path in source_files(part):
        inside = path.relative_to(part)
        if len(inside.parts) < 2:
            raise DataError(f"{path} lies in no class folder")
        files.append(_File(path, path.relative_to(source).as_posix(), inside.parts[0]))
    return files


def _class_names(part: Path, files: list[_File]) -> tuple[str, ...]:
    names = {file.class_name for file in files}
    folders = {f.name for f in part.iterdir() if f.is_dir() and not f.name.startswith(".")}
    if folders - names:
        raise DataError(f"class folder {part / min(folders - names)} is empty")
    return tuple(sorted(names))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
