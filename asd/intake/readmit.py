"""`asd drop readmit`: let in what the gate refused, on a person's word.

The picture is decoded and cleaned again by the gate; what a person overrides is the rest: that it
came before, that its label was not known, that it was over a cap which has been raised since.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from asd import store
from asd.drop_records import (
    Decision,
    DropRecord,
    Part,
    next_order,
    now,
    part_name,
    read_record,
    read_records,
    write_record,
)
from asd.errors import DataError, ParamsError, nearest
from asd.intake.gate import judge_drop
from asd.intake.index import ContentIndex
from asd.intake.report import readmitted_keys
from asd.intake.rules import form_of, make_rules
from asd.intake.store import Track, hold_drops, making, remove
from asd.intake.types import Accepted, Refused
from asd.intake.writer import DropWriter
from asd.layout import Layout
from asd.params import Workspace
from asd.people import checked_name, checked_note
from asd.progress import Reporter
from asd.safe_text import safe_text
from asd.shards.drop_folder import picture_key, read_drop_index, read_drop_manifest, read_quarantine

READMITTED = "readmitted"
"""The flag of such a picture."""

_SHORTEST_HASH = 8
_MOST_NAMED = 5
_ROWS = 2  # a row group; a picture as sent may have 32 MiB
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Readmitted:
    """The drop, how many pictures were let in, and what was not, with the reason."""

    record: DropRecord
    new: int
    left: dict[str, str]


def readmit(
    workspace: Workspace,
    number: int,
    key: str | None,
    reason: str | None,
    label: str | None,
    by: str,
    note: str,
    track: Track,
) -> Readmitted:
    """Let in one refused file, or all that were refused for a reason.

    Args:
        key: its name as sent, its key, or its hash or 8 digits of it.
        reason: a code of `asd.intake.reasons`.
        label: its class, instead of the label as sent.

    Raises:
        ParamsError: no such drop, file or reason, or a label that is no class.
        DataError: nothing could be let in; says why.
    """
    by, note, layout = checked_name(by), checked_note(note), workspace.layout
    _check_label(workspace, label)
    with hold_drops(workspace):
        record = read_record(layout, number)
        rows, left = _with_bytes(layout, record, _chosen(layout, record, key, reason))
        said = Decision(now(), by, "readmit", note, key or f"--reason {reason}")
        done = _store(workspace, record, _judged(workspace, number, rows, label, left), left, said, track)
    return Readmitted(done, done.readmitted - record.readmitted, left)


def _check_label(workspace: Workspace, label: str | None) -> None:
    names = make_rules(workspace).class_names
    if label is not None and names is not None and label not in names:
        raise ParamsError(f"--label {label!r} is none of the classes{nearest(label, names)}")


def _chosen(layout: Layout, record: DropRecord, key: str | None, reason: str | None) -> list[Row]:
    folder = layout.drop(record.number)
    table = read_quarantine(folder, read_drop_manifest(folder, record.manifest_sha256))
    rows: list[Row] = table.to_pylist()
    if key is None:
        found = [row for row in rows if row["reason"] == reason]
        if not found:
            known = ", ".join(sorted(record.reasons)) or "nothing was refused"
            raise ParamsError(f"drop {record.number} has no file refused as {reason!r} ({known})")
        return found
    found = [row for row in rows if key in (row["path"], picture_key(record.number, row["path"]))]
    if not found and len(key) >= _SHORTEST_HASH:
        found = [row for row in rows if (row["file_sha256"] or "").startswith(key.lower())]
    if len(found) != 1:
        names = ", ".join(repr(row["path"]) for row in found[:_MOST_NAMED])
        problem = f"several: {names}" if found else "none; `asd drop report` names them"
        raise ParamsError(f"{key!r} should name one refused file of drop {record.number}, it names {problem}")
    return found


def _with_bytes(layout: Layout, record: DropRecord, rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    """Files whose bytes are in the quarantine, and why the others cannot come back."""
    folder = layout.drop(record.number)
    index = read_drop_index(folder, read_drop_manifest(folder, record.manifest_sha256), ["key"])
    there = set(index["key"].to_pylist()) | readmitted_keys(layout, record)
    kept, left = [], {}
    for row in rows:
        path, sha256 = row["path"], row["file_sha256"]
        file = layout.quarantine(record.number) / (sha256 or "")
        if picture_key(record.number, path) in there:
            left[path] = "a picture of this name is in the drop already"
        elif not row["kept"] or not file.is_file():
            left[path] = "its bytes are not in the quarantine of this machine; let the source send it again"
        elif store.file_sha256(file) != sha256:
            left[path] = f"{file} is not what was quarantined"
        else:
            there.add(picture_key(record.number, path))
            kept.append(row)
    return kept, left


def _judged(
    workspace: Workspace, number: int, rows: Sequence[Row], label: str | None, left: dict[str, str]
) -> Iterator[Accepted]:
    """What the gate says of the pictures as if nothing had come before; what it refuses goes to `left`."""
    if not rows:
        return
    layout, reporter = workspace.layout, Reporter("readmit", f"drop {number}", sys.stderr)
    table = layout.local / "readmit.parquet"
    try:
        with store.atomic_file(table) as temporary:
            _write_table(temporary, layout.quarantine(number), rows, label)
        with ContentIndex(None) as nothing:
            for one in judge_drop(table, make_rules(workspace), nothing, reporter):
                path = rows[int(one.path.rpartition("#")[2])]["path"]
                if isinstance(one, Refused):
                    left[path] = one.message or one.reason
                else:
                    yield replace(one, path=path, flags=(*one.flags, READMITTED))
    finally:
        remove(table)


def _write_table(path: Path, quarantine: Path, rows: Sequence[Row], label: str | None) -> None:
    """Bytes and labels for the gate, in small parts: a row group of many large pictures would not fit it."""
    schema = pa.schema([("image", pa.binary()), ("label", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(rows), _ROWS):
            here = rows[start : start + _ROWS]
            images = [(quarantine / row["file_sha256"]).read_bytes() for row in here]
            columns = [images, [label or row["label"] or "" for row in here]]
            writer.write_table(pa.table(columns, schema=schema))


def _store(
    workspace: Workspace,
    record: DropRecord,
    let_in: Iterable[Accepted],
    left: Mapping[str, str],
    said: Decision,
    track: Track,
) -> DropRecord:
    layout = workspace.layout
    folder = layout.drops / part_name(record)
    with making(layout, folder):
        with (
            store.atomic_directory(folder) as temporary,
            DropWriter(temporary, layout.quarantine(record.number), record.number, 0) as writer,
        ):
            writer.add_all(let_in)
            if not writer.count:
                path, why = next(iter(left.items()))
                raise DataError(f"nothing of drop {record.number} was readmitted: {safe_text(path)}: {why}")
            manifest = writer.finish(folder.name, record.source, record.sha256, form_of(workspace))
        track(folder)
        order = next_order(read_records(layout)) if record.status == "accepted" else 0
        part = Part(folder.name, writer.count, manifest.sha256, order)
        record = replace(record, parts=(*record.parts, part), decisions=(*record.decisions, said))
        write_record(layout, record)
    return record
