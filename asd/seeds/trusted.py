"""`seeds/trusted.csv`: which pictures somebody vouches for, with label, name and day. Meant for git."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from asd.csv_lines import read_lines, write_lines

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


def read_trusted(path: Path) -> tuple[Vouched, ...]:
    """The lines of the file, sorted; none if there is no file.

    Raises:
        DataError: not such a CSV, or a sample stands there twice; names the line.
    """
    return read_lines(
        path, Vouched, same=lambda row: (row.key, (row.dataset, row.key)), check=_check, mend=_MEND
    )


def _check(row: Vouched) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", row.content_sha256):
        raise ValueError(f"content_sha256 is {row.content_sha256!r}, wanted 64 hex digits")
    try:
        date.fromisoformat(row.day)
    except ValueError as error:
        raise ValueError(f"day is {row.day!r}, wanted one like 2026-01-31") from error
    for name in ("dataset", "label", "key", "by"):
        if not getattr(row, name).strip():
            raise ValueError(f"{name} is empty")


def write_trusted(path: Path, rows: Iterable[Vouched]) -> None:
    """Write all lines, sorted, atomically."""
    write_lines(path, Vouched, rows)
