"""What earlier revisions of a cell said of one picture, and who its neighbours are."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from asd.audit.journal import recorded
from asd.audit.ledger import Ledger
from asd.audit.revisions import run_of
from asd.audit.runs import Run
from asd.errors import DataError
from asd.layout import Layout
from asd.verify import cache_folder

MOST_REVISIONS = 10


def over_revisions(layout: Layout, run: Run, content_sha256: str) -> list[dict[str, Any]]:
    """A row an earlier revision of the cell, the newest first: when, and what it said of this picture.

    Found by content, so that a picture which was renamed has its history. `found` is false where
    the picture was not in the data, null where the revision's files are no longer in the cache.

    Raises:
        DataError: `dvc.lock` or the journal is damaged.
    """
    earlier = recorded(layout, run.cell)[:-1][-MOST_REVISIONS:]
    if not earlier:
        return []
    cache, answers = cache_folder(layout.root), []
    for state in reversed(earlier):
        revision = state.commit[:12] if state.commit else state.at
        answer: dict[str, Any] = {"revision": revision, "at": state.at, "found": None}
        try:
            old = run_of(layout, state, revision, cache)
        except DataError:
            answers.append(answer)
            continue
        with Ledger(layout, [old]) as ledger:
            rows = ledger.rows(
                "select key, verdict, suspicion, in_pool_at_end, final_loss from samples "
                "where content_sha256 = ? order by row limit 1",
                [content_sha256],
            )
        answers.append(answer | {"found": bool(rows)} | (rows[0] if rows else {}))
    return answers


def neighbours(ledger: Ledger, run: Run, row: int) -> dict[str, Any] | None:
    """The nearest samples by features, and the nearest picture of the final clean pool; None if not kept.

    Raises:
        DataError: the file is damaged.
    """
    if not run.neighbours.is_file():
        return None
    try:
        with pq.ParquetFile(run.neighbours) as file:
            found = _row(file, row)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{run.neighbours} is damaged: {error}; `asd run` makes it again") from error
    rows = [*(found.get("neighbours") or ()), found.get("nearest_clean")]
    wanted = [one for one in rows if one is not None]
    known = {
        one["row"]: one
        for one in ledger.rows(
            "select row, key, class_name, verdict, suspicion, source from samples "
            "where run = ? and list_contains(?, row)",
            [run.name, wanted],
        )
    }
    near = zip(found.get("neighbours") or (), found.get("neighbour_distances") or (), strict=True)
    clean = found.get("nearest_clean")
    return {
        "by_features": [known[one] | {"distance": distance} for one, distance in near if one in known],
        "nearest_clean": None
        if clean not in known
        else known[clean] | {"distance": found.get("nearest_clean_distance")},
    }


def _row(file: pq.ParquetFile, row: int) -> dict[str, Any]:
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if row < count:
            return dict(file.read_row_group(group).slice(row, 1).to_pylist()[0])
        row -= count
    raise IndexError(f"no row {row}")
