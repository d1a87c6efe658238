"""`reviews/exclusions.csv`: pictures that a person confirmed as poisoned; `fetch` leaves them out.

Bound to the content hash of a picture and not to its key, so that a renamed or repeated copy goes
too. Meant for git. What `fetch` took out stands in `excluded.json` beside its shards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from asd.csv_lines import columns, read_lines, write_lines
from asd.layout import Layout
from asd.people import checked_name, checked_note
from asd.shards.left_out import read_excluded
from asd.shards.manifest import read_manifest
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


COLUMNS = columns(Exclusion)


def read_exclusions(path: Path) -> tuple[Exclusion, ...]:
    """The lines of the file, sorted; none if there is no file.

    Raises:
        DataError: not such a CSV, or a picture stands there twice; names the line.
    """
    return read_lines(
        path,
        Exclusion,
        same=lambda row: (row.content_sha256, (row.dataset, row.content_sha256)),
        check=_check,
        mend=_MEND,
    )


def _check(row: Exclusion) -> None:
    if not _HEX.fullmatch(row.content_sha256):
        raise ValueError(f"content_sha256 is {row.content_sha256!r}, wanted 64 hex digits")
    date.fromisoformat(row.day)
    checked_name(row.by)
    checked_note(row.note)
    if not row.dataset.strip():
        raise ValueError("dataset is empty")


def write_exclusions(path: Path, rows: Iterable[Exclusion]) -> None:
    """Write all lines, sorted, atomically."""
    write_lines(path, Exclusion, rows)


def excluded(layout: Layout, dataset: str) -> list[Excluded]:
    """What the last `fetch` of a data set left out on a person's word, in source order.

    Read from the output that DVC tracks, so a report made from it is stale when it changes.

    Raises:
        DataError: the data set is not fetched, or the record is damaged.
    """
    folder = layout.fetched(dataset, "train")
    return list(read_excluded(folder, read_manifest(folder)))
