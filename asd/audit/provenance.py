"""Where a sample of a drop comes from: whom, when, under what name, as which bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from asd.drop_records import read_record
from asd.errors import AsdError
from asd.layout import Layout
from asd.shards.drop_folder import read_drop_index, read_drop_manifest
from asd.source_groups import drop_of

if TYPE_CHECKING:
    from asd.audit.ledger import Ledger
    from asd.audit.runs import Run

_COLUMNS = ["key", "path", "file_sha256", "flags", "flagged_with"]


def provenance(layout: Layout, key: str, source: str) -> dict[str, Any] | None:
    """What is on record of a sample's way here; None if it comes from no drop.

    The hash of the file as sent, its flags and what these point to are null where the drop's folder
    is not on this machine.
    """
    drop = drop_of(source)
    if drop is None:
        return None
    vendor, number = drop
    facts: dict[str, Any] = {
        "drop": number,
        "source": vendor,
        "path": source.split("/", 2)[2],
        **dict.fromkeys(("name", "arrived", "status", "file_sha256", "flags", "flagged_with")),
    }
    try:
        record = read_record(layout, number)
        facts |= {"name": record.name, "arrived": record.arrived, "status": record.status}
        for part in record.parts:
            folder = layout.drops / part.folder
            table = read_drop_index(folder, read_drop_manifest(folder, part.manifest_sha256), _COLUMNS)
            found = table.filter(pc.equal(table["key"], key)).to_pylist()
            if found:
                facts |= {name: found[0][name] for name in ("file_sha256", "flags", "flagged_with")}
    except AsdError:  # a clone without the drop's folder still knows the rest
        return facts
    return facts


def compare_drops(ledger: Ledger, a: Run, b: Run) -> list[dict[str, Any]]:
    """For each drop of either run: samples, samples in the clean pool and suspects, before and after."""
    found = ledger.rows(
        'select "drop", any_value(p.source) as source, '
        + ", ".join(
            f"count(*) filter (where s.run = ${name} and {what}) as {column}_{when}"
            for name, when in (("a", "before"), ("b", "after"))
            for column, what in (
                ("samples", "true"),
                ("in_pool", "s.in_pool_at_end"),
                ("suspects", "s.verdict = 'suspect'"),
            )
        )
        + ' from provenance p join samples s using (run, "row") group by "drop" order by "drop"',
        {"a": a.name, "b": b.name},
    )
    return [
        {
            "drop": row["drop"],
            "source": row["source"],
            **{
                column: {when: row[f"{column}_{when}"] for when in ("before", "after")}
                for column in ("samples", "in_pool", "suspects")
            },
        }
        for row in found
    ]
