"""`seeds/trusted.csv`: which pictures somebody vouches for, with label, name and day. Meant for git."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date
from pathlib import Path

from asd.errors import DataError
from asd.store import atomic_file

_MEND = "mend the line, or take the file back from git"


@dataclass(frozen=True, order=True)
class Vouched:
    """One line: somebody vouches for this picture and its label.

    Attributes:
        dataset: the data set's variant.
        label: class name.
        key: of the sample in the training data.
        content_sha256: hash (hex) of the picture that was looked at.
        by: who.
        day: when, `YYYY-MM-DD` (UTC).
    """

    dataset: str
    label: str
    key: str
    content_sha256: str
    by: str
    day: str


_COLUMNS = [field.name for field in fields(Vouched)]


def read_trusted(path: Path) -> tuple[Vouched, ...]:
    """The lines of the file, sorted; none if there is no file.

    Raises:
        DataError: not such a CSV, or a sample stands there twice; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8); {_MEND}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: dict[tuple[str, str], Vouched] = {}
    try:
        head = next(reader, [])
        if head != _COLUMNS:
            raise DataError(f"{path}: wanted the first line {','.join(_COLUMNS)}, got {','.join(head)!r}")
        for words in reader:
            if not words:
                continue
            row = _row(words, f"{path} line {reader.line_num}")
            if (row.dataset, row.key) in rows:
                raise DataError(f"{path} line {reader.line_num}: {row.key} stands there twice; keep one line")
            rows[row.dataset, row.key] = row
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}; {_MEND}") from error
    return tuple(sorted(rows.values()))


def _row(words: Sequence[str], where: str) -> Vouched:
    if len(words) != len(_COLUMNS):
        raise DataError(f"{where}: wanted {len(_COLUMNS)} values, got {len(words)}; {_MEND}")
    row = Vouched(*words)
    if not re.fullmatch(r"[0-9a-f]{64}", row.content_sha256):
        raise DataError(f"{where}: content_sha256 is {row.content_sha256!r}, wanted 64 hex digits; {_MEND}")
    try:
        date.fromisoformat(row.day)
    except ValueError as error:
        raise DataError(f"{where}: day is {row.day!r}, wanted one like 2026-01-31; {_MEND}") from error
    for name in ("dataset", "label", "key", "by"):
        if not getattr(row, name).strip():
            raise DataError(f"{where}: {name} is empty; {_MEND}")
    return row


def write_trusted(path: Path, rows: Iterable[Vouched]) -> None:
    """Write all lines, sorted, atomically."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(astuple(row) for row in sorted(rows))
    with atomic_file(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")
