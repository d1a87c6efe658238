"""Folders of pictures, one folder a class: `train/` and `test/`, or one set and `held_out`.

Classes are the folders of the training part in sorted order (by code point). Files and folders
whose names start with a dot do not count; everything else must be a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.datasets._base import LoadedSplit, Split, need_source
from asd.datasets._images import PictureParams
from asd.datasets._pictures import Encoded, PictureTable, Rows, load_split, name_key, read_file
from asd.errors import DataError
from asd.progress import Reporter
from asd.sources import source_files


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
    return load_split(params, split, open_table(params, source, split), source)


def open_table(params: Params, source: Path, split: Split) -> PictureTable:
    """The pictures of a split, or with `held_out` all.

    Raises:
        DataError: folders that are not as wanted, or a picture outside the class folders.
    """
    if not source.is_dir():
        raise DataError(f"{source} is not a folder")
    if params.held_out is not None:
        if (source / "train").is_dir() and (source / "test").is_dir():
            raise DataError(f"{source} has folders train and test; leave out held_out")
        files, strays = _pictures(params, source, source)
        return _table(files, _class_names(params, source, files), strays)
    for part in ("train", "test"):
        if not (source / part).is_dir():
            raise DataError(
                f"{source} has no folder {part!r}; without a test split set held_out, such as 0.2"
            )
    files, strays = _pictures(params, source, source / "train")
    names = _class_names(params, source / "train", files)
    if split == "test":
        files, more = _pictures(params, source, source / "test")
        unknown = [file.name for file in files if file.class_name not in names]
        if unknown:
            raise DataError(f"{source}: {unknown[0]} is of a class that train/ does not have")
        return _table(files, names, more)
    return _table(files, names, strays)


def _table(files: list[_File], names: tuple[str, ...], strays: list[str]) -> PictureTable:
    place = {name: i for i, name in enumerate(names)}

    def read(rows: Rows | None) -> Iterator[Encoded]:
        for row in range(len(files)) if rows is None else rows.tolist():
            yield Encoded(row, files[row].name, read_file(files[row].path))

    return PictureTable(
        names,
        np.array([place[file.class_name] for file in files], dtype=np.int64),
        key=lambda row: name_key(files[row].name),
        read=read,
        strays=tuple(strays),
    )


def _pictures(params: Params, source: Path, part: Path) -> tuple[list[_File], list[str]]:
    """Files in class folders, and names of the others."""
    files, strays = [], []
    for path in source_files(part):
        inside = path.relative_to(part)
        name = path.relative_to(source).as_posix()
        if len(inside.parts) > 1:
            files.append(_File(path, name, inside.parts[0]))
        elif params.unreadable == "stop":
            raise DataError(f"{path} lies in no class folder")
        else:
            strays.append(name)
    return files, strays


def _class_names(params: Params, part: Path, files: list[_File]) -> tuple[str, ...]:
    names = {file.class_name for file in files}
    folders = {f.name for f in part.iterdir() if f.is_dir() and not f.name.startswith(".")}
    if folders - names:
        raise DataError(f"class folder {part / min(folders - names)} is empty")
    wanted = params.class_names
    if wanted is not None and set(wanted) != names:
        odd = min(names.symmetric_difference(wanted))
        problem = "is not among class_names" if odd in names else "of class_names has no folder"
        raise DataError(f"{part}: class {odd!r} {problem}")
    return wanted or tuple(sorted(names))
