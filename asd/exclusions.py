"""`reviews/exclusions.csv`: pictures that a person confirmed as poisoned; `fetch` leaves them out.

Bound to the content hash of a picture and not to its key, so that a renamed or repeated copy goes
too. Meant for git. What `fetch` took out stands in `excluded.json` beside its shards.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date
from pathlib import Path

from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.people import checked_name, checked_note
from asd.shards.left_out import read_excluded
from asd.shards.manifest import read_manifest
from asd.store import atomic_file
from asd.types import Excluded

_MEND = "mend the line, or take the file back from git"
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class Exclusion:
    """One line: this picture takes no part in any run of the data set.

    Attributes:
        dataset: the data set's variant.
        content_sha256: hash (hex) of the picture.
        by: who confirmed that it is poisoned.
        day: when, `YYYY-MM-DD` (UTC).
        note: why, in one line.
    """

    dataset: str
    content_sha256: str
    by: str
    day: str
    note: str


COLUMNS = [field.name for field in fields(Exclusion)]


def read_exclusions(path: Path) -> tuple[Exclusion, ...]:
    """The lines of the file, sorted; none if there is no file.

    Raises:
        DataError: not such a CSV, or a picture stands there twice; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8); {_MEND}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: dict[tuple[str, str], Exclusion] = {}
    try:
        head = next(reader, [])
        if head != COLUMNS:
            raise DataError(f"{path}: wanted the first line {','.join(COLUMNS)}, got {','.join(head)!r}")
        for words in reader:
            if words:
                where = f"{path} line {reader.line_num}"
                row = _row(words, where)
                if rows.setdefault((row.dataset, row.content_sha256), row) is not row:
                    raise DataError(f"{where}: {row.content_sha256} stands there twice; keep one line")
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}; {_MEND}") from error
    return tuple(sorted(rows.values()))


def _row(words: Sequence[str], where: str) -> Exclusion:
    if len(words) != len(COLUMNS):
        raise DataError(f"{where}: wanted {len(COLUMNS)} values, got {len(words)}; {_MEND}")
    row = Exclusion(*words)
    if not _HEX.fullmatch(row.content_sha256):
        raise DataError(f"{where}: content_sha256 is {row.content_sha256!r}, wanted 64 hex digits; {_MEND}")
    try:
        date.fromisoformat(row.day)
        checked_name(row.by)
        checked_note(row.note)
    except (ValueError, ParamsError) as error:
        raise DataError(f"{where}: {error}; {_MEND}") from error
    if not row.dataset.strip():
        raise DataError(f"{where}: dataset is empty; {_MEND}")
    return row


def write_exclusions(path: Path, rows: Iterable[Exclusion]) -> None:
    """Write all lines, sorted, atomically."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in sorted(rows))
    with atomic_file(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")


def excluded(layout: Layout, dataset: str) -> list[Excluded]:
    """What the last `fetch` of a data set left out on a person's word, in source order.

    Read from the output that DVC tracks, so a report made from it is stale when it changes.

    Raises:
        DataError: the data set is not fetched, or the record is damaged.
    """
    folder = layout.fetched(dataset, "train")
    return list(read_excluded(folder, read_manifest(folder)))
