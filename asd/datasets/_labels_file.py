"""A labels file: lines of path and label below a line that names the columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TextIO

from asd.errors import DataError, nearest

PATH_COLUMNS = (
    "path",
    "image",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image_path",
    "img",
)
LABEL_COLUMNS = ("label", "class", "class_name", "classname", "category", "target")
_SHOWN = 4  # names of a kind that a message lists
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Row:
    """One picture: `where` is its file and line in words, `path` counts from the data folder."""

    where: str
    line: int
    path: str
    label: str


def columns_of(file: Path) -> tuple[str, str] | None:
    """Names of the path and the label column, if the first line has them."""
    header = _header(file) or []
    found = find_column(header, PATH_COLUMNS), find_column(header, LABEL_COLUMNS)
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def columns_lacking(file: Path) -> str | None:
    """What the first line lacks for a labels file, in words; None if nothing or unreadable."""
    header = _header(file)
    if header is None:
        return None
    lacks = [
        f"no {what} ({', '.join(names[:_SHOWN])}...)"
        for what, names in (("path", PATH_COLUMNS), ("label", LABEL_COLUMNS))
        if find_column(header, names) is None
    ]
    more = "..." if len(header) > 2 * _SHOWN else ""
    there = ", ".join(header[: 2 * _SHOWN]) + more or "nothing"
    return f"its first line ({there}) names {' and '.join(lacks)}" if lacks else None


def _header(file: Path) -> list[str] | None:
    """The cells of the first line; None where the file is no CSV in UTF-8."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return [name.strip() for name in next(strict_reader(stream), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def read_labels(file: Path, path_column: str | None, label_column: str | None) -> list[Row]:
    """All rows of a labels file in their order; empty lines do not count.

    Raises:
        DataError: cannot be read, no such columns, or a line without a path or a label, or with
            a path that could leave the folder; names the line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = strict_reader(stream)
            header = [name.strip() for name in next(reader, [])]
            path_at = _column(file, header, "path_column", path_column, PATH_COLUMNS)
            label_at = _column(file, header, "label_column", label_column, LABEL_COLUMNS)
            return [_row(file, reader.line_num, cells, path_at, label_at) for cells in reader if any(cells)]
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise DataError(f"{file} line {reader.line_num} is not CSV: {error}") from error


def strict_reader(stream: TextIO) -> Any:
    """A strict reader from the start, with the delimiter that the first line has most of."""
    delimiter = delimiter_of(stream.readline())
    stream.seek(0)
    return csv.reader(stream, delimiter=delimiter, strict=True)


def delimiter_of(line: str) -> str:
    """Comma, semicolon or tab: what the line has most of."""
    return max(_DELIMITERS, key=line.count)


def find_column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that has one of the names, in small or capital letters."""
    by_lower = {name.strip().lower(): name.strip() for name in header}
    return next((by_lower[name] for name in names if name in by_lower), None)


def _column(file: Path, header: list[str], param: str, wanted: str | None, names: Sequence[str]) -> int:
    name = wanted if wanted is not None else find_column(header, names)
    if name is None or name not in header:
        asked = repr(wanted) if wanted is not None else " or ".join(names)
        hint = (
            nearest(wanted, header) if wanted is not None else f"; rename it, or set {param} in params.yaml"
        )
        raise DataError(
            f"{file}: no column {asked} (its first line has: {', '.join(header) or 'nothing'}){hint}"
        )
    if header.count(name) > 1:
        raise DataError(f"{file}: {header.count(name)} columns {name!r} in its first line; wanted one")
    return header.index(name)


def _row(file: Path, line: int, cells: list[str], path_at: int, label_at: int) -> Row:
    where = f"{file.name} line {line}"
    if max(path_at, label_at) >= len(cells):
        raise DataError(f"{where}: {len(cells)} columns, wanted at least {max(path_at, label_at) + 1}")
    path, label = cells[path_at].strip(), cells[label_at].strip()
    if not path or not label:
        raise DataError(f"{where}: no {'label' if path else 'path'}")
    return Row(where, line, path_inside(path, where), label)


def path_inside(path: str, where: str) -> str:
    """The path with slashes and without `.`; it may neither leave the folder nor be hidden in it.

    Raises:
        DataError: it does; names `where`.
    """
    if "/" not in path:
        path = path.replace("\\", "/")
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or ".." in parts:
        raise DataError(f"{where}: path {path!r} leaves the data folder; wanted one that counts from it")
    if any(part.startswith(".") for part in parts):
        raise DataError(f"{where}: {path!r} is hidden; names that start with a dot do not count")
    return "/".join(parts)
