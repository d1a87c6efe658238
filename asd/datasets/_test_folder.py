"""A test set that somebody vouches for: class folders or Parquet, beside the training data.

It replaces the test split of the data set, is trusted, and is never trained on. Class names are
those of the training data; pictures take its size and colours.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.datasets._base import DatasetParams, LoadedSplit, check_not_empty, class_balanced_part
from asd.datasets._decode import decode_picture
from asd.datasets._parquet import Table, class_indexes, split_files
from asd.errors import DataError, nearest
from asd.progress import Reporter
from asd.sources import TEST, source_files
from asd.types import Images, Labels, Sample, SampleIndex

SHOWN = 3
"""Duplicates and missing classes that a message names."""

_SPLIT_FOLDERS = (".", "data", "plain_text")
_TEST_FILE = re.compile(r"test([-_.0-9].*)?\.(parquet|tar|csv)")


@dataclass(frozen=True)
class _Pictures:
    """N encoded pictures: labels, keys, and how to read rows: number, place in words, bytes."""

    labels: Labels
    keys: list[str]
    read: Callable[[list[int]], Iterator[tuple[int, str, bytes]]]


def for_training(params: DatasetParams, source: Path | None) -> DatasetParams:
    """Params by which a plug-in takes all its pictures for training.

    A source with a test split of its own keeps it apart; that split is then used for nothing.
    """
    if "held_out" not in type(params).model_fields or (source is not None and _has_test_split(source)):
        return params
    return params.model_copy(update={"held_out": 0.0})  # of everything, none is held out


def _has_test_split(source: Path) -> bool:
    if not source.is_dir():
        return False
    # A class may be called test; a split `test` stands beside one called `train`.
    if (source / "test").is_dir() and any(source.glob("train*")):
        return True
    places = [source / name for name in _SPLIT_FOLDERS if (source / name).is_dir()]
    return any(_TEST_FILE.fullmatch(found.name) for place in places for found in place.iterdir())


def load_test(
    dataset: str, params: DatasetParams, place: Path, train: LoadedSplit, reporter: Reporter
) -> LoadedSplit:
    """The pictures at `place` as a trusted test split; warns of classes without one.

    Raises:
        DataError: no picture, a class that the training data have not, or a broken picture.
    """
    with _naming(dataset, place):
        found = _found(params, place, train.class_names)
    rows = class_balanced_part(found.labels, params.limit_test, "test").tolist()
    _warn_of_missing(found.labels, train.class_names, reporter)

    def samples() -> Iterator[Sample]:
        with _naming(dataset, place):
            for row, where, data in found.read(rows):
                key = found.keys[row]
                image = _decode(params, data, f"{key} ({where})", train.image_shape)
                yield Sample(key, image, int(found.labels[row]), where)

    return LoadedSplit(train.class_names, train.image_shape, True, len(rows), samples())


def check_usable(dataset: str, params: DatasetParams, place: Path, reporter: Reporter) -> None:
    """Look at a test set before anything depends on it: its form, its classes, every picture.

    Raises:
        DataError: as `load_test`; classes are compared only where the params name them.
    """
    with _naming(dataset, place):
        named = getattr(params, "class_names", None)
        found = _found(params, place, named)
        _warn_of_missing(found.labels, named or (), reporter)
        rows = list(range(len(found.labels)))
        for row, where, data in found.read(rows):
            decode_picture(data, where)
            if (row + 1) % max(1, len(rows) // 10) == 0:
                reporter.progress(row + 1, len(rows), "pictures")


def test_pictures(dataset: str, params: DatasetParams, place: Path) -> Iterator[tuple[str, bytes]]:
    """Place in words and bytes of every picture of a test set, one after the other.

    Raises:
        DataError: as `load_test`; classes are compared only where the params name them.
    """
    with _naming(dataset, place):
        found = _found(params, place, getattr(params, "class_names", None))
        for _, where, data in found.read(list(range(len(found.labels)))):
            yield where, data


@contextlib.contextmanager
def _naming(dataset: str, place: Path) -> Iterator[None]:
    """Errors of the body say that they are about the test set, and what to type when it is mended."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"the test set of {dataset}: {error}; mend it, then `asd source set {dataset}{TEST} {place}`"
        ) from error


def _found(params: DatasetParams, place: Path, class_names: Sequence[str] | None) -> _Pictures:
    """What lies at `place`; without class names, any classes."""
    parquet = _parquet_files(place)
    found = _from_parquet(params, parquet, class_names) if parquet else _from_folders(place, class_names)
    check_not_empty(len(found.labels), "test", place)
    return found


def _warn_of_missing(labels: Labels, class_names: Sequence[str], reporter: Reporter) -> None:
    there = set(labels.tolist())
    missing = [name for label, name in enumerate(class_names) if label not in there]
    if missing:
        reporter.warn(
            f"the test set has no picture of {len(missing)} of {len(class_names)} classes "
            f"({_some(missing)}); accuracy says nothing about them"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _decode(params: DatasetParams, data: bytes, where: str, shape: tuple[int, int, int]) -> Images:
    channels, height, width = shape
    size = height if height == width else None
    fit = getattr(params, "fit", "stretch")
    image = decode_picture(data, where, image_size=size, channels=channels, fit=fit)
    if image.shape != shape:
        raise DataError(
            f"{where} is {image.shape[2]}x{image.shape[1]}, the training data are "
            f"{width}x{height}; bring it to that size, or set image_size for both"
        )
    return image


def _parquet_files(place: Path) -> list[Path]:
    """The test split of a folder that has one, else all its Parquet files."""
    if place.is_file():
        return [place]
    return split_files(place, "test") or [file for file in source_files(place) if file.suffix == ".parquet"]


def _from_parquet(params: DatasetParams, files: list[Path], wanted: Sequence[str] | None) -> _Pictures:
    columns = (getattr(params, name, None) for name in ("image_column", "label_column"))
    table = Table.open(files, *columns)
    names = _names_for(table, wanted or ())
    labels = _numbered(names, wanted or sorted(set(map(str, names))), files[0].parent)

    def read(rows: list[int]) -> Iterator[tuple[int, str, bytes]]:
        yield from table.pictures(np.array(rows, dtype=np.int64))

    return _Pictures(labels, [f"test_{row:06d}" for row in range(len(labels))], read)


def _names_for(table: Table, class_names: Sequence[str]) -> list[int] | list[str]:
    """The labels as names; as numbers only where neither the file nor the classes name numbers."""
    raw, names = table.raw_labels(), table.metadata_names()
    if names is not None:
        return [names[x] if isinstance(x, int) and 0 <= x < len(names) else str(x) for x in raw]
    # Class "10" sorts before class "2", so the number 2 is not the class at position 2.
    if all(name.isdigit() for name in class_names):
        return [str(label) for label in raw]
    return raw


def _numbered(raw: list[int] | list[str], class_names: Sequence[str], place: Path) -> Labels:
    _check_known(((f"row {row}", x) for row, x in enumerate(raw) if isinstance(x, str)), class_names)
    return class_indexes(raw, class_names, place)


def _from_folders(place: Path, wanted: Sequence[str] | None) -> _Pictures:
    files = list(source_files(place))
    names = [file.relative_to(place).as_posix() for file in files]
    stray = [name for name in names if "/" not in name]
    if stray:
        raise DataError(f"{place / stray[0]} lies in no class folder (wanted Parquet, or a folder a class)")
    classes = [name.partition("/")[0] for name in names]
    class_names = wanted or sorted(set(classes))
    _check_known(zip(names, classes, strict=True), class_names)

    def read(rows: list[int]) -> Iterator[tuple[int, str, bytes]]:
        for row in rows:
            try:
                data = files[row].read_bytes()
            except OSError as error:
                raise DataError(f"cannot read {files[row]}: {error.strerror}") from error
            yield row, names[row], data

    keys = [f"test_{hashlib.sha256(name.encode()).hexdigest()[:16]}" for name in names]
    return _Pictures(class_indexes(classes, class_names, place), keys, read)


def _check_known(found: Iterator[tuple[str, str]], class_names: Sequence[str]) -> None:
    known = set(class_names)
    for where, name in found:
        if name not in known:
            raise DataError(
                f"{where} is of class {name!r}, which the training data do not have"
                f"{nearest(name, class_names)} (they have: {_some(class_names)})"
            )


def check_apart(dataset: str, place: Path, train: SampleIndex, test: SampleIndex) -> None:
    """No picture of the test set may be one of the training data, pixel for pixel.

    Raises:
        DataError: some are; names the first ones.
    """
    trained_on = dict(zip(train.content, train.sources, strict=True))
    both = [
        f"{source} (there {trained_on[content]})"
        for content, source in zip(test.content, test.sources, strict=True)
        if content in trained_on
    ]
    if both:
        raise DataError(
            f"the test set of {dataset}: {len(both)} of {len(test.keys)} pictures are training data too: "
            f"{_some(both)}; take them out, then `asd source set {dataset}{TEST} {place}`"
        )
