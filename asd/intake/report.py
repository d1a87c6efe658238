"""`asd drop report`: what was refused of a drop, for whoever sent it: file, reason, how to mend it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from asd import store
from asd.audit.exporting import write_csv
from asd.audit.report import page_environment
from asd.drop_records import DropRecord, read_record
from asd.errors import ParamsError
from asd.intake.reasons import REASONS
from asd.layout import Layout
from asd.safe_text import safe_text
from asd.shards.drop_folder import picture_key, read_drop_index, read_drop_manifest, read_quarantine

MOST_ROWS = 5000
"""Files that an HTML report names; a CSV names all."""

_LONGEST = 300


def write_report(layout: Layout, number: int, out: Path) -> int:
    """Write an `.html` or `.csv` file; returns how many refused files the drop has.

    Raises:
        ParamsError: no such drop, another ending, or a folder.
        DataError: the folder of the drop is not what its record says.
    """
    if out.suffix.lower() not in (".html", ".csv"):
        raise ParamsError(f"--out {out}: wanted a name that ends in .html or .csv")
    if out.is_dir():
        raise ParamsError(f"--out {out} is a folder; wanted is a file")
    record = read_record(layout, number)
    rows = refused_rows(layout, record)
    with store.atomic_file(out.expanduser().absolute()) as temporary:
        if out.suffix.lower() == ".csv":
            write_csv(temporary, [pa.RecordBatch.from_pylist(rows, _COLUMNS)])
        else:
            temporary.write_text(_page(record, rows), encoding="utf-8")
    return len(rows)


_COLUMNS = pa.schema(
    [
        (name, pa.string())
        for name in ("file", "label", "reason", "meaning", "mend", "details", "readmitted", "key")
    ]
)


def refused_rows(layout: Layout, record: DropRecord) -> list[dict[str, str]]:
    """A row a refused file, in the order of the drop; texts of strangers are made fit to be shown."""
    folder = layout.drops / record.parts[0].folder
    table = read_quarantine(folder, read_drop_manifest(folder, record.manifest_sha256))
    back = readmitted_keys(layout, record)
    rows = []
    for row in table.to_pylist():
        reason, key = REASONS.get(row["reason"]), picture_key(record.number, row["path"])
        rows.append(
            {
                "file": safe_text(row["path"], _LONGEST),
                "label": safe_text(row["label"] or "", _LONGEST),
                "reason": row["reason"],
                "meaning": reason.meaning if reason else "",
                "mend": reason.cure if reason else "",
                "details": safe_text(row["message"], _LONGEST),
                "readmitted": "yes" if key in back else "",
                "key": key,
            }
        )
    return rows


def readmitted_keys(layout: Layout, record: DropRecord) -> set[str]:
    """Keys of the pictures that people let in later."""
    keys: set[str] = set()
    for part in record.parts[1:]:
        folder = layout.drops / part.folder
        manifest = read_drop_manifest(folder, part.manifest_sha256)
        keys |= set(read_drop_index(folder, manifest, ["key"])["key"].to_pylist())
    return keys


def _page(record: DropRecord, rows: list[dict[str, str]]) -> str:
    counts = Counter(row["reason"] for row in rows)
    reasons: list[dict[str, Any]] = [
        {
            "code": code,
            "count": count,
            "meaning": REASONS[code].meaning if code in REASONS else "",
            "cure": REASONS[code].cure if code in REASONS else "",
        }
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    environment = page_environment(Path(__file__).parent / "templates")
    environment.filters["safe_text"] = safe_text
    template = environment.get_template("drop_report.html.j2")
    return template.render(record=record, reasons=reasons, rows=rows[:MOST_ROWS], total=len(rows)) + "\n"
