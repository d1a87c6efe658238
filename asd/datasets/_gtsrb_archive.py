"""The official archives of GTSRB, zipped or unpacked: PPM pictures and CSV files of labels."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from asd.datasets._base import Split
from asd.datasets._labels_file import read_labels
from asd.errors import DataError

TRAINING = "GTSRB_Final_Training_Images.zip"
TEST, TEST_LABELS = "GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip"
_TRAINING_FOLDER, _TEST_FOLDER = "Final_Training/Images", "Final_Test/Images"
_TEST_CSV = "GT-final_test.csv"
_MOST_BYTES = 2**22  # of one picture; the largest is 250x250, a twentieth of it
_LABEL = "ClassId"

Place = Path | zipfile.Path


@dataclass(frozen=True)
class Sign:
    """A picture that has not been read: its key, its name in the archive, its class id."""

    key: str
    name: str
    label: int
    place: Place

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            DataError: missing, too large for a picture of a sign, or the zip is damaged.
        """
        with _errors(self.name):
            if isinstance(self.place, zipfile.Path):
                size = self.place.root.getinfo(self.place.at).file_size
                if size > _MOST_BYTES:
                    raise DataError(f"{self.name} would take {size} bytes unpacked; no sign is that large")
            return self.place.read_bytes()


def open_archive(source: Path, split: Split, class_count: int) -> list[Sign]:
    """The signs of a split, in the order of the archive.

    Raises:
        DataError: `source` has no such archive, or a labels file is missing or damaged.
    """
    return _training(source, class_count) if split == "train" else _test(source, class_count)


def _training(source: Path, class_count: int) -> list[Sign]:
    folder = _find(source, _TRAINING_FOLDER, TRAINING)
    missing = [f"{n:05d}" for n in range(class_count) if not (folder / f"{n:05d}").is_dir()]
    if missing:
        raise DataError(f"{folder} lacks {len(missing)} of {class_count} class folders, such as {missing[0]}")
    signs = []
    for label in range(class_count):
        name = f"{label:05d}"
        for file, found in _lines(folder / name / f"GT-{name}.csv", class_count):
            if found != label:
                raise DataError(f"{folder / name}: GT-{name}.csv gives {file} the class {found}")
            place = folder / name / file
            stem = PurePosixPath(file).stem
            signs.append(Sign(f"{name}_{stem}", f"{_TRAINING_FOLDER}/{name}/{file}", label, place))
    return signs


def _test(source: Path, class_count: int) -> list[Sign]:
    folder = _find(source, _TEST_FOLDER, TEST)
    return [
        Sign(PurePosixPath(file).stem, f"{_TEST_FOLDER}/{file}", label, folder / file)
        for file, label in _lines(_test_labels(source, folder), class_count)
    ]


def _find(source: Path, inside: str, archive: str) -> Place:
    """The folder `inside` of the unpacked archives, else of the zip."""
    for root in (source, source / "GTSRB"):
        if (root / inside).is_dir():
            return root / inside
    if (source / archive).is_file():
        with _errors(str(source / archive)):
            found = zipfile.Path(source / archive) / "GTSRB" / inside
            if found.is_dir():
                return found
        raise DataError(f"{source / archive} has no folder GTSRB/{inside}; is it the official archive?")
    raise DataError(
        f"{source} is no GTSRB: wanted train.parquet and test.parquet, {archive}, "
        f"or its folder GTSRB/{inside}"
    )


def _test_labels(source: Path, folder: Place) -> Place:
    """The published labels of the test pictures; the list that comes with the pictures has none."""
    for place in (source / _TEST_CSV, source / "GTSRB" / _TEST_CSV):
        if place.is_file():
            return place
    inside = folder / _TEST_CSV
    if inside.is_file():
        return inside
    if (source / TEST_LABELS).is_file():
        with _errors(str(source / TEST_LABELS)):
            return zipfile.Path(source / TEST_LABELS) / _TEST_CSV
    raise DataError(
        f"{source} has the test pictures but not their labels: wanted {TEST_LABELS} or {_TEST_CSV}"
    )


def _lines(file: Place, class_count: int) -> list[tuple[str, int]]:
    """File name and class id of each line.

    Raises:
        DataError: no such file or columns, or a class that is none.
    """
    with _errors(str(file)):
        rows = read_labels(cast(Path, file), "Filename", _LABEL)
    found = []
    for row in rows:
        if not (row.label.isascii() and row.label.isdigit() and int(row.label) < class_count):
            raise DataError(f"{file}: {row.where} has class {row.label!r}, wanted 0 to {class_count - 1}")
        found.append((row.path, int(row.label)))
    return found


@contextlib.contextmanager
def _errors(where: str) -> Iterator[None]:
    """A file that is missing, or a zip that is damaged, locked or of a kind that Python cannot read."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{where} is not in the archive") from error
    except OSError as error:
        raise DataError(f"cannot read {where}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise DataError(f"{where} cannot be unpacked: {error}") from error
