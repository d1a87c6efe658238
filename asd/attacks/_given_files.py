"""Files that say what pictures are: Parquet, CSV or JSON lines beside pictures, or class folders.

Cells come from strangers: a value of another kind, a path that leaves the folder and a file
without end are errors that name the row.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from asd import params as base
from asd.attacks._files import PICTURES, find_below
from asd.datasets._decode import UnreadableError
from asd.datasets._labels_file import LABEL_COLUMNS, PATH_COLUMNS, find_column, path_inside, strict_reader
from asd.datasets._parquet import (
    IMAGE_COLUMNS,
    NO_BYTES,
    bytes_of,
    open_parquet,
    parquet_errors,
    split_files,
)
from asd.datasets._pictures import read_file
from asd.errors import DataError, ParamsError, nearest
from asd.sources import source_files

MAX_ROWS = 10_000_000
_MAX_TEXT = 2**30  # bytes of a CSV or JSON lines file
_MAX_LINE = 2**20
_MAX_PICTURE = 64 * 2**20
_BATCH = 64  # rows of Parquet at a time
_HEX = re.compile(r"[0-9a-f]{64}")

Picture = bytes | UnreadableError | str
"""An encoded picture, why there is none, or the content hash (hex) of one."""


class Columns(base.Params):
    """Names of columns, where they are not the usual ones."""

    image: str | None = Field(None, description="null: img or image; in a CSV path, image, file...")
    label: str | None = Field(None, description="null: label")
    original_label: str | None = Field(None, description="null: original_label, which may be missing")
    role: str | None = Field(None, description="null: role")
    clean: str | None = Field(None, description="of the picture without its trigger; null: clean")


@dataclass(frozen=True)
class Row:
    """What a file says of one picture.

    Attributes:
        number: row of a Parquet file, from 0; line of a text file, from 1.
        where: file and row in words.
        picture: the picture.
        label: a class number (Parquet's whole numbers), or text.
        before: the same of the class before it was poisoned; None where nobody says.
        role: text; None where nobody says.
        clean: the picture without its trigger; None where nobody says.
    """

    number: int
    where: str
    picture: Picture
    label: int | str
    before: int | str | None
    role: str | None
    clean: Picture | None


Cells = Mapping[str, Any]
Load = Callable[[Any, str], Picture]


@dataclass(frozen=True)
class _Found:
    """Which columns of a file hold what; None where it has none of that."""

    image: str | None
    content: str | None
    label: str
    before: str | None
    role: str | None
    clean: str | None
    clean_content: str | None

    @property
    def names(self) -> list[str]:
        """Each column once."""
        return list(dict.fromkeys(name for name in vars(self).values() if name is not None))


def read_rows(path: Path, columns: Columns, *, with_roles: bool) -> Iterator[Row]:
    """Every row, in order; pictures are read as they are asked for.

    Args:
        path: a Parquet, CSV, TSV or JSON lines file; with roles a folder with `train*.parquet`,
            without them a folder of class folders, named by the wanted class.
        with_roles: a column `role` must be there.

    Raises:
        DataError: a missing column, a cell that is not in order, too many rows; names the row.
        ParamsError: another kind of file.
    """
    kind = path.suffix.lower()
    if path.is_dir() and with_roles:
        files = split_files(path, "train")
        if not files:
            raise DataError(f"{path} has no train.parquet or train-*.parquet; name the file of the roles")
        return _parquet(files, columns, with_roles)
    if path.is_dir():
        return _class_folders(path)
    if kind == ".parquet":
        return _parquet([path], columns, with_roles)
    if kind in (".csv", ".tsv", ".jsonl"):
        if path.stat().st_size > _MAX_TEXT:
            raise DataError(f"{path} has more than {_MAX_TEXT // 2**20} MiB")
        return (_lines if kind == ".jsonl" else _table)(path, columns, with_roles)
    raise ParamsError(f"{path}: wanted a .parquet, .csv, .tsv or .jsonl file, or a folder")


def _parquet(files: Sequence[Path], columns: Columns, with_roles: bool) -> Iterator[Row]:
    total = sum(open_parquet(file).metadata.num_rows for file in files)
    _check_count(total, files[0])
    number = 0
    for file in files:
        opened = open_parquet(file)
        names = opened.schema_arrow.names
        found = _find(file, names, columns, IMAGE_COLUMNS, with_roles)
        with parquet_errors(file):
            start = number
            for batch in opened.iter_batches(_BATCH, columns=found.names):
                for cells in batch.to_pylist():
                    where = f"{file.name}#{number - start}"
                    yield _row(number, where, cells, found, _stored, whole_numbers=True)
                    number += 1


def _table(file: Path, columns: Columns, with_roles: bool) -> Iterator[Row]:
    import csv

    load = _Beside(file.parent)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = strict_reader(stream)
            header = [name.strip() for name in next(reader, [])]
            found = _find(file, header, columns, PATH_COLUMNS, with_roles)
            for count, values in enumerate((v for v in reader if any(v)), 1):
                _check_count(count, file)
                where = f"{file.name} line {reader.line_num}"
                if len(values) != len(header):
                    raise DataError(f"{where}: {len(values)} columns, wanted {len(header)}")
                yield _row(reader.line_num, where, dict(zip(header, values, strict=True)), found, load)
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise DataError(f"{file} line {reader.line_num} is not CSV: {error}") from error


def _lines(file: Path, columns: Columns, with_roles: bool) -> Iterator[Row]:
    load = _Beside(file.parent)
    found = None
    with file.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE + 1), b""), 1):
            _check_count(number, file)
            where = f"{file.name} line {number}"
            if len(line) > _MAX_LINE:
                raise DataError(f"{where} has more than {_MAX_LINE // 2**10} KiB")
            if not line.strip():
                continue
            try:
                cells = json.loads(line, object_pairs_hook=_each_once)
            except _DoubledError as error:
                raise DataError(f"{where} has key {error.args[0]!r:.40} twice") from error
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where} is not JSON: {error}") from error
            if not isinstance(cells, dict):
                raise DataError(f"{where}: wanted an object, got {type(cells).__name__}")
            # a line may leave out what it does not know, the first one too
            maybe = [columns.original_label or "original_label", columns.clean or "clean", "clean_sha256"]
            header = [*cells, *(name for name in maybe if find_column(list(cells), [name]) is None)]
            found = found or _find(file, header, columns, PATH_COLUMNS, with_roles)
            yield _row(number, where, cells, found, load)


class _DoubledError(ValueError):
    """A key that an object has twice."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, of which `json` would keep the last value of a doubled key."""
    cells: dict[str, Any] = {}
    for key, value in pairs:
        if key in cells:
            raise _DoubledError(key)
        cells[key] = value
    return cells


def _class_folders(folder: Path) -> Iterator[Row]:
    files = [file for file in source_files(folder) if file.suffix.lower() in PICTURES]
    if not files:
        raise DataError(f"{folder} holds no picture ({', '.join(PICTURES)})")
    load = _Beside(folder)
    for number, file in enumerate(files):
        name = file.relative_to(folder)
        if len(name.parts) < 2:
            raise DataError(f"{file} lies in no class folder")
        yield Row(number, name.as_posix(), load(name.as_posix(), str(file)), name.parts[0], None, None, None)


def _check_count(rows: int, file: Path) -> None:
    if rows > MAX_ROWS:
        raise DataError(f"{file} has more than {MAX_ROWS:,} rows")


# -- columns ------------------------------------------------------------------------------------


def _find(
    file: Path, header: Sequence[str], columns: Columns, images: Sequence[str], with_roles: bool
) -> _Found:
    labels = LABEL_COLUMNS if images is PATH_COLUMNS else LABEL_COLUMNS[:1]

    def find(name: str, usual: Sequence[str], *, needed: bool) -> str | None:
        wanted = getattr(columns, name)
        found = unmapped(usual) if wanted is None else wanted if wanted in header else None
        if found is None and (needed or wanted is not None):
            asked = wanted or " or ".join(usual)
            there = ", ".join(header) or "none"
            hint = nearest(wanted, header) if wanted else ""
            raise DataError(f"{file}: no column {asked} (there are: {there}); map it in columns.{name}{hint}")
        if found is not None and header.count(found) > 1:
            raise DataError(f"{file} has {header.count(found)} columns {found}")
        return found

    def unmapped(usual: Sequence[str]) -> str | None:
        found = find_column(header, usual)
        alike = [name for name in header if found and name.strip().lower() == found.lower()]
        if len(alike) > 1:
            raise DataError(f"{file} has {len(alike)} columns {found} ({', '.join(alike)})")
        return found

    content, clean_content = (unmapped([name]) for name in ("content_sha256", "clean_sha256"))
    return _Found(
        image=find("image", images, needed=content is None),
        content=content,
        label=str(find("label", labels, needed=True)),
        before=find("original_label", ["original_label"], needed=False),
        role=find("role", ["role"], needed=True) if with_roles else None,
        clean=None if with_roles else find("clean", ["clean"], needed=False),
        clean_content=None if with_roles else clean_content,
    )


def _row(
    number: int, where: str, cells: Cells, found: _Found, load: Load, *, whole_numbers: bool = False
) -> Row:
    label = _value(cells, found.label, where, whole_numbers)
    if label is None:
        raise DataError(f"{where} has no {found.label}")
    picture = _picture(cells, found.image, found.content, where, load)
    if picture is None:
        raise DataError(f"{where} has no picture in column {found.image or found.content}")
    role = _value(cells, found.role, where, False)
    return Row(
        number=number,
        where=where,
        picture=picture,
        label=label,
        before=_value(cells, found.before, where, whole_numbers),
        role=None if role is None else str(role),
        clean=_picture(cells, found.clean, found.clean_content, where, load),
    )


def _value(cells: Cells, column: str | None, where: str, whole_numbers: bool) -> int | str | None:
    """A cell as text, or as a whole number where those count classes; None where it is empty."""
    value = None if column is None else cells.get(column)
    if isinstance(value, float):
        if math.isnan(value):
            raise DataError(f"{where}: {column} is NaN; leave the cell empty where it is not known")
        value = int(value) if value.is_integer() else value
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return value if whole_numbers else str(value)
    if isinstance(value, str):
        return value.strip()
    raise DataError(f"{where}: {column} is {value!r:.40}, wanted a whole number or text")


def _picture(cells: Cells, image: str | None, content: str | None, where: str, load: Load) -> Picture | None:
    if image is not None and (value := cells.get(image)) not in (None, ""):
        return load(value, where)
    value = None if content is None else cells.get(content)
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise DataError(f"{where}: {content} is {value!r:.40}, wanted 64 lower-case hex digits")
    return value


def _stored(value: Any, where: str) -> Picture:
    data = bytes_of(value)
    return UnreadableError(f"{where} {NO_BYTES}", NO_BYTES) if data is None else data


@dataclass(frozen=True)
class _Beside:
    """Loads pictures by their path below a folder."""

    folder: Path

    def __call__(self, value: Any, where: str) -> Picture:
        if not isinstance(value, str):
            raise DataError(f"{where}: wanted a path, got {value!r:.40}")
        path, mode = find_below(self.folder, path_inside(value.strip(), where), where, DataError)
        if not stat.S_ISREG(mode):
            raise DataError(f"{where}: no file {value!r} in {self.folder}")
        if path.is_symlink() and not path.resolve().is_relative_to(self.folder.resolve()):
            raise DataError(f"{where}: {value!r} is a link that leaves {self.folder}")
        if path.stat().st_size > _MAX_PICTURE:
            reason = f"more than {_MAX_PICTURE // 2**20} MiB"
            return UnreadableError(f"{path} has {reason}", reason)
        return read_file(path)
