"""Taking in a drop: wholly there or not at all, and the same drop once.

Its record is what makes a drop exist, and is written last. What is being made is named in
`.asd/drop-add.json` before; the next command on drops removes what a killed one left of it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asd import store
from asd.drop_records import (
    DropRecord,
    Part,
    drop_name,
    next_order,
    now,
    read_records,
    write_record,
)
from asd.intake.judged_anew import keep, places
from asd.intake.tally import Tally
from asd.intake.types import Judged
from asd.intake.writer import DropWriter
from asd.intake_params import IntakeParams
from asd.layout import Layout
from asd.params import Workspace
from asd.shards.drop_folder import DropManifest, Form
from asd.sources import point_at_drops
from asd.step_lock import hold

Track = Callable[[Path], None]
"""Puts a folder below `data/drops` under DVC, where the workspace uses it."""

MOST_UNKNOWN = 100
"""Labels that are no class and are counted by name in a record."""
OTHERS = "…"


@dataclass(frozen=True)
class Arrival:
    """A drop about to be judged: its name, whom it came from, the hash (hex) of the whole input."""

    name: str
    source: str
    sha256: str


@contextlib.contextmanager
def hold_drops(workspace: Workspace) -> Iterator[None]:
    """Be the only one who changes drops, with nothing half-made lying about.

    At the end the pointers of the data sets say which drops are in them.

    Raises:
        BusyError: another command on drops works here.
    """
    layout = workspace.layout
    with hold(layout.local / "drops.lock", "a command on drops"):
        _sweep(layout)
        yield
        for dataset in workspace.drop_datasets():
            point_at_drops(layout, dataset)


def find_same(layout: Layout, sha256: str) -> DropRecord | None:
    """The drop with this content, if it came before."""
    return next((record for record in read_records(layout) if record.sha256 == sha256), None)


def new_number(layout: Layout) -> int:
    """The number behind every drop; a folder that no record names is left alone."""
    taken = {record.number for record in read_records(layout)}
    taken |= {int(path.name) for path in layout.drops.glob("[0-9]*") if path.name.isdigit()}
    return 1 + max(taken, default=0)


def store_drop(
    layout: Layout,
    arrival: Arrival,
    judged: Iterable[Judged],
    form: Form,
    params: IntakeParams,
    track: Track,
) -> DropRecord:
    """Judge and write a drop that is new, or one that is held; call it inside `hold_drops`.

    Args:
        judged: what the gate says of each file; read once.
        form: what training makes of the pictures.

    Raises:
        DataError: the drop as a whole cannot be read, or the disk is full; then nothing was stored.
    """
    before = find_same(layout, arrival.sha256)
    number = before.number if before else new_number(layout)
    folder, tally = layout.drop(number), Tally()
    with making(layout, folder, layout.quarantine(number), *places(layout, before)):
        with store.atomic_directory(folder) as temporary:
            remove(layout.quarantine(number))
            with DropWriter(
                temporary, layout.quarantine(number), number, params.most_quarantine_bytes
            ) as writer:
                writer.add_all(tally.over(judged))
                manifest = writer.finish(folder.name, arrival.source, arrival.sha256, form)
        kept = keep(layout, before, folder, manifest)
        for made in (folder, *kept.made):
            track(made)
        record = _record(layout, number, arrival, tally, manifest, params, before)
        record = replace(record, parts=(*record.parts, *_behind(record.parts[0], kept.parts)))
        write_record(layout, record)
        for gone in kept.gone:
            remove(gone)
            remove(gone.with_name(gone.name + ".dvc"))
    return record


def _behind(first: Part, parts: Sequence[Part]) -> list[Part]:
    """Readmitted pictures at the places behind the drop's own, if that has one."""
    return [replace(part, order=first.order and first.order + 1 + i) for i, part in enumerate(parts)]


def _record(
    layout: Layout,
    number: int,
    arrival: Arrival,
    tally: Tally,
    manifest: DropManifest,
    params: IntakeParams,
    before: DropRecord | None,
) -> DropRecord:
    why = tally.why_held(params)
    order = 0 if why else next_order(read_records(layout))
    return DropRecord(
        number=number,
        name=arrival.name,
        source=arrival.source,
        sha256=arrival.sha256,
        arrived=before.arrived if before else now(),
        status="held" if why else "accepted",
        held_because=tuple(why),
        files=tally.files,
        accepted=tally.count,
        quarantined=tally.reasons.total(),
        reasons=dict(tally.reasons),
        flags=dict(tally.flags),
        classes=dict(tally.classes),
        unknown_classes=_named(tally.unknown_classes),
        label_flips=tally.label_flips,
        parts=(Part(drop_name(number), tally.count, manifest.sha256, order),),
        decisions=before.decisions if before else (),
    )


def _named(counts: Counter[str]) -> dict[str, int]:
    """The most frequent by name, all others together as `OTHERS`: labels of strangers may be endless."""
    named = dict(counts.most_common(MOST_UNKNOWN))
    rest = counts.total() - sum(named.values())
    return named | ({OTHERS: rest} if rest else {})


# -- half-made things --------------------------------------------------------------------------


@contextlib.contextmanager
def making(layout: Layout, *paths: Path) -> Iterator[None]:
    """Name what is about to be made below the workspace; it goes away again unless the body succeeds.

    A folder that a record names already (of a held drop judged anew) stays.
    """
    note = layout.local / "drop-add.json"
    store.write_json(note, [path.relative_to(layout.root).as_posix() for path in paths])
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # what stays is removed by the next command
            _sweep(layout)
        raise
    note.unlink()


def _sweep(layout: Layout) -> None:
    """Remove what a command that was killed half-way left behind."""
    note = layout.local / "drop-add.json"
    if not note.is_file():
        return
    recorded = {part.folder for record in read_records(layout) for part in record.parts}
    for name in store.read_json(note):
        path = layout.root / name
        store.put_back(path)
        for left in path.parent.glob(f".{path.name}.tmp-*"):
            remove(left)
        if path.name not in recorded:
            remove(path)
            remove(path.with_name(path.name + ".dvc"))
    note.unlink()


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
