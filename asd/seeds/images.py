"""Trusted images from outside: class folders or Parquet, brought to the form of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from asd.datasets._decode import decode_picture
from asd.datasets._parquet import Table, class_indexes
from asd.errors import DataError, nearest
from asd.sources import source_files
from asd.types import Images, Sample

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Naming:
    """How pictures of another data set are named: the Parquet column, and what stands for which class."""

    column: str | None = None
    class_map: Mapping[str, str] | None = None


def load_seed_images(
    place: Path, class_names: Sequence[str], shape: Shape, naming: Naming = Naming()
) -> Iterator[Sample]:
    """Every image at `place` with keys `seed_000000`, `seed_000001`... in the order of names.

    Args:
        place: a folder with one folder a class, a Parquet file, or a folder of them (columns
            `img` or `image`, and `label`: class names, or positions in the class names).
        class_names: K names; others are refused.
        naming: with a class map, pictures whose class is not in it are left out.
        shape: (C, H, W); other sizes are stretched, colours are turned to grey or grey to RGB.

    Raises:
        DataError: no image there, an unknown class, or a broken image; names the file.
    """
    files = [place] if place.is_file() else sorted(place.glob("*.parquet"))
    images = _from_parquet(files, class_names, naming) if files else _from_folders(place, class_names, naming)
    for number, (where, label, data) in enumerate(images):
        image = _resized(decode_picture(data, where, channels=shape[0]), shape)
        yield Sample(f"seed_{number:06d}", image, label, where)


def _from_folders(
    place: Path, class_names: Sequence[str], naming: Naming
) -> Iterator[tuple[str, int, bytes]]:
    """(path below `place`, label, encoded image) of every file in a class folder."""
    label_of = {name: label for label, name in enumerate(class_names)}
    if naming.class_map is not None:
        label_of = {name: label_of[here] for name, here in naming.class_map.items()}
    for path in source_files(place):
        inside = path.relative_to(place)
        if len(inside.parts) < 2:
            raise DataError(f"{path} lies in no class folder (the classes are {_some(class_names)})")
        if inside.parts[0] not in label_of:
            if naming.class_map is not None:
                continue
            raise DataError(
                f"{place / inside.parts[0]} is named like no class of the data set"
                f"{nearest(inside.parts[0], class_names)} (the classes are {_some(class_names)})"
            )
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        yield inside.as_posix(), label_of[inside.parts[0]], data


def _from_parquet(
    files: Sequence[Path], class_names: Sequence[str], naming: Naming
) -> Iterator[tuple[str, int, bytes]]:
    """(file#row, label, encoded image) of every row that is wanted."""
    table = Table.open(files, None, naming.column)
    raw: Sequence[int] | Sequence[str] = table.raw_labels()
    own_names = table.metadata_names()
    if own_names is not None:  # numbers that count in the file's own classes
        raw = [own_names[label] for label in class_indexes(raw, own_names, files[0]).tolist()]
    rows = np.arange(len(raw))
    if naming.class_map is not None:
        here = [naming.class_map.get(str(name)) for name in raw]
        rows = np.array([row for row, name in enumerate(here) if name is not None], dtype=np.int64)
        raw = [name for name in here if name is not None]
    labels = dict(zip(rows.tolist(), class_indexes(raw, class_names, files[0]).tolist(), strict=True))
    for row, where, data in table.pictures(rows):
        yield where, labels[row], data


def _resized(image: Images, shape: Shape) -> Images:
    """The image with height and width of `shape`, bilinear."""
    if image.shape == shape:
        return image
    size = (shape[2], shape[1])
    channels = [Image.fromarray(channel).resize(size, Image.Resampling.BILINEAR) for channel in image]
    return np.stack([np.asarray(channel, dtype=np.uint8) for channel in channels])


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    return f"{shown}..." if len(names) > 10 else shown
