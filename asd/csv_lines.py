"""Small CSV files in git that people write: one dataclass of texts a line, read strictly, written sorted."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Hashable, Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from asd.errors import DataError, ParamsError
from asd.store import atomic_file

Line = TypeVar("Line")


def columns(kind: type[Any]) -> list[str]:
    """The first line of a file of such lines."""
    return [field.name for field in fields(kind)]


def read_lines(
    path: Path,
    kind: type[Line],
    *,
    same: Callable[[Line], tuple[str, Hashable]],
    check: Callable[[Line], None],
    mend: str,
) -> tuple[Line, ...]:
    """The lines of the file, sorted; none if there is no file.

    Args:
        path: the file.
        kind: a dataclass of texts that can be ordered.
        same: what must stand there once: its name for an error, and by what two lines are the same.
        check: raises ValueError or ParamsError for a wrong line, with the reason.
        mend: what to do about a damaged file, in words.

    Raises:
        DataError: not such a CSV, or something stands there twice; names the line.
    """
    wanted = columns(kind)
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8); {mend}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: dict[Hashable, Line] = {}
    try:
        head = next(reader, [])
        if head != wanted:
            raise DataError(f"{path}: wanted the first line {','.join(wanted)}, got {','.join(head)!r}")
        for words in reader:
            if not words:
                continue
            where = f"{path} line {reader.line_num}"
            if len(words) != len(wanted):
                raise DataError(f"{where}: wanted {len(wanted)} values, got {len(words)}; {mend}")
            row = kind(*words)
            _checked(row, check, where, mend)
            name, identity = same(row)
            if identity in rows:
                raise DataError(f"{where}: {name} stands there twice; keep one line")
            rows[identity] = row
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}; {mend}") from error
    return tuple(kind(*words) for words in sorted(astuple(row) for row in rows.values()))  # type: ignore[call-overload]


def _checked(row: Line, check: Callable[[Line], None], where: str, mend: str) -> None:
    try:
        check(row)
    except (ValueError, ParamsError) as error:
        raise DataError(f"{where}: {error}; {mend}") from error


def write_lines(path: Path, kind: type[Line], rows: Iterable[Line]) -> None:
    """Write all lines, sorted, atomically."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns(kind))
    writer.writerows(sorted(astuple(row) for row in rows))  # type: ignore[call-overload]
    with atomic_file(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")
