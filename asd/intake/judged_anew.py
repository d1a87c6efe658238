"""What people readmitted into a held drop stays in it when the drop is judged anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.drop_records import DropRecord, Part, part_name
from asd.intake.types import Accepted
from asd.intake.writer import DropWriter
from asd.layout import Layout
from asd.shards.drop_folder import DropManifest, iter_pictures, read_drop_index, read_drop_manifest
from asd.store import atomic_directory


@dataclass(frozen=True)
class Kept:
    """Folders of readmitted pictures that stay, those that are new, and those that nobody needs any more."""

    parts: tuple[Part, ...] = ()
    made: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()


def places(layout: Layout, before: DropRecord | None) -> list[Path]:
    """Folders that `keep` may make."""
    if before is None:
        return []
    return [layout.drops / part_name(before, 1 + i) for i in range(len(before.parts) - 1)]


def keep(layout: Layout, before: DropRecord | None, folder: Path, manifest: DropManifest) -> Kept:
    """The readmitted pictures of a held drop that did not pass this time, either.

    A folder in which some pictures are that have passed by now is made anew without them.

    Args:
        before: the drop as it was; None: it is new.
        folder, manifest: of what passed this time.

    Raises:
        DataError: a folder is not what its record says, or the disk is full.
    """
    if before is None or not before.parts[1:]:
        return Kept()
    passed = set(read_drop_index(folder, manifest, ["key"])["key"].to_pylist())
    parts, made, gone = [], [], []
    for part, place in zip(before.parts[1:], places(layout, before), strict=True):
        old = layout.drops / part.folder
        said = read_drop_manifest(old, part.manifest_sha256)
        keys = read_drop_index(old, said, ["key"])["key"].to_pylist()
        if passed.isdisjoint(keys):
            parts.append(part)
            continue
        gone.append(old)
        rest = [key for key in keys if key not in passed]
        if rest:
            parts.append(_without(passed, old, said, place, before.number))
            made.append(place)
    return Kept(tuple(parts), tuple(made), tuple(gone))


def _without(passed: set[str], old: Path, said: DropManifest, place: Path, number: int) -> Part:
    with atomic_directory(place) as temporary, DropWriter(temporary, temporary, number, 0) as writer:
        writer.add_all(_pictures(passed, old, said))
        manifest = writer.finish(place.name, said.source, said.input_sha256, said.form)
    return Part(place.name, writer.count, manifest.sha256, 0)


def _pictures(passed: set[str], old: Path, said: DropManifest) -> Iterator[Accepted]:
    rows = read_drop_index(old, said).to_pylist()
    for at, png in iter_pictures(old, said, [row["key"] for row in rows]):
        row = rows[at]
        if row["key"] not in passed:
            yield Accepted(png=png, flags=tuple(row["flags"]), **{name: row[name] for name in _SAME})


_SAME: Sequence[str] = (
    *("path", "label", "width", "height", "file_sha256", "content_sha256", "trained_sha256"),
    *("perceptual_hash", "flagged_with"),
)
