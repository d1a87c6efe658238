"""What people decide about a whole drop: let in a held one, take one out, put it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from asd.drop_records import (
    Decision,
    DropRecord,
    What,
    next_order,
    now,
    read_record,
    read_records,
    write_record,
)
from asd.errors import ParamsError
from asd.intake.store import hold_drops
from asd.layout import Layout
from asd.params import Workspace
from asd.people import checked_name, checked_note
from asd.shards.drop_folder import read_drop_manifest


def accept(workspace: Workspace, number: int, by: str, note: str = "") -> DropRecord:
    """Let a held drop into the data set; what was refused stays out.

    Raises:
        ParamsError: no such drop, it is not held, or nothing of it passed.
        DataError: its folder is not what its record says.
    """

    def change(record: DropRecord) -> DropRecord:
        if record.status != "held":
            raise ParamsError(f"drop {number} is {record.status}, only a held one can be accepted")
        if not record.pictures:
            raise ParamsError(
                f"nothing of drop {number} passed, so there is nothing to accept; `asd drop show {number}`"
            )
        return _taken_in(workspace.layout, record)

    return _decide(workspace, number, "accept", by, note, change)


def withdraw(workspace: Workspace, number: int, by: str, note: str = "") -> DropRecord:
    """Take a drop out of the data set from the next run on; its files stay.

    Raises:
        ParamsError: no such drop, or it is withdrawn already.
    """

    def change(record: DropRecord) -> DropRecord:
        if record.status == "withdrawn":
            raise ParamsError(f"drop {number} is withdrawn already; `asd drop restore {number}` puts it back")
        return replace(record, status="withdrawn")

    return _decide(workspace, number, "withdraw", by, note, change)


def restore(workspace: Workspace, number: int, by: str, note: str = "") -> DropRecord:
    """Put a withdrawn drop back to what it was: accepted, or held.

    Raises:
        ParamsError: no such drop, or it is not withdrawn.
        DataError: its folder is not what its record says.
    """

    def change(record: DropRecord) -> DropRecord:
        if record.status != "withdrawn":
            raise ParamsError(f"drop {number} is {record.status}, not withdrawn")
        if not record.parts[0].order:
            return replace(record, status="held")
        return _taken_in(workspace.layout, record)

    return _decide(workspace, number, "restore", by, note, change)


def _taken_in(layout: Layout, record: DropRecord) -> DropRecord:
    """The record as accepted; parts without a place in the data set get the ones behind all others."""
    for part in record.parts:
        read_drop_manifest(layout.drops / part.folder, part.manifest_sha256)
    behind = next_order(read_records(layout))
    new = [part for part in record.parts if not part.order]
    places = {part.folder: behind + i for i, part in enumerate(new)}
    parts = tuple(replace(p, order=places.get(p.folder, p.order)) for p in record.parts)
    return replace(record, status="accepted", parts=parts)


def _decide(
    workspace: Workspace,
    number: int,
    what: What,
    by: str,
    note: str,
    change: Callable[[DropRecord], DropRecord],
) -> DropRecord:
    by, note = checked_name(by), checked_note(note)
    with hold_drops(workspace):
        record = change(read_record(workspace.layout, number))
        decision = Decision(now(), by, what, note)
        record = replace(record, decisions=(*record.decisions, decision))
        write_record(workspace.layout, record)
    return record
