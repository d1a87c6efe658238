"""What came before a drop: the pictures of all accepted drops and of the test set, in an index on disk.

The index is derived from the drops' own tables, and made anew when a drop was withdrawn or the form
of the pictures changed; `.cache/drops.json` says what is in it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asd import store
from asd.datasets._decode import decode_picture
from asd.datasets._obtain import test_source
from asd.datasets._test_folder import test_pictures
from asd.drop_records import DropRecord, Part, read_records, union_parts
from asd.errors import DataError
from asd.intake.index import TEST_SET, Content, ContentIndex
from asd.intake.pool import DecodePool, NoCopy, Task
from asd.intake.rules import drops_variant
from asd.intake.store import remove
from asd.params import Workspace
from asd.progress import Reporter
from asd.shards.drop_folder import DropManifest, Form, iter_pictures, read_drop_index, read_drop_manifest
from asd.sources import TEST, read_pointer
from asd.types import content_sha256

_COLUMNS = ["key", "label", "path", "content_sha256", "trained_sha256", "perceptual_hash"]
_IN_LINE = 256  # pictures of the test set that wait for a decoder


@contextlib.contextmanager
def known_contents(workspace: Workspace, form: Form, reporter: Reporter) -> Iterator[ContentIndex]:
    """The index of what came before, brought up to date.

    Raises:
        DataError: a drop is not what its record says, or the test set cannot be read.
    """
    layout = workspace.layout
    note = layout.drop_index.with_suffix(".json")
    parts = list(union_parts(read_records(layout)))
    wanted: dict[str, Any] = {
        "form": [form.image_size, form.channels, form.fit],
        "parts": [[part.folder, part.manifest_sha256] for _, part in parts],
        "test": _test_sha256(workspace),
    }
    have = store.read_json(note) if note.is_file() else {}
    in_it = have.get("parts", [])
    if _differs(have, wanted) or any(part not in wanted["parts"] for part in in_it):
        for name in ("", "-wal", "-shm"):
            remove(layout.drop_index.with_name(layout.drop_index.name + name))
        in_it = []
    if in_it != wanted["parts"] or not note.is_file():
        remove(note)  # so that what a killed command left half-made is made anew
    with ContentIndex(layout.drop_index) as index:
        if not note.is_file():
            if not in_it and wanted["test"]:
                index.add(_of_test_set(workspace, form, reporter))
            for record, part in parts:
                if [part.folder, part.manifest_sha256] not in in_it:
                    index.add(_of_part(workspace, record, part, form))
            store.write_json(note, wanted)
        yield index


def _differs(have: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return any(have.get(name) != wanted[name] for name in ("form", "test"))


def _test_sha256(workspace: Workspace) -> str | None:
    """The hash (hex) of the test set, if people vouch for one; None where it is held out."""
    variant = drops_variant(workspace)
    if variant.params.test != "folder":
        return None
    return str(read_pointer(workspace.layout, variant.name + TEST)["content_sha256"])


def _of_part(workspace: Workspace, record: DropRecord, part: Part, form: Form) -> Iterator[Content]:
    folder = workspace.layout.drops / part.folder
    manifest = read_drop_manifest(folder, part.manifest_sha256)
    table = read_drop_index(folder, manifest, _COLUMNS)
    trained = _trained(folder, manifest, table["key"].to_pylist(), form) if manifest.form != form else None
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield Content(
                content_sha256=row["content_sha256"],
                trained_sha256=next(trained) if trained else row["trained_sha256"],
                perceptual_hash=row["perceptual_hash"],
                drop=record.number,
                label=row["label"],
                path=row["path"],
            )


def _trained(folder: Path, manifest: DropManifest, keys: list[str], form: Form) -> Iterator[str]:
    """Hashes at a form that params did not have when the drop was judged."""
    for row, png in iter_pictures(folder, manifest, keys):
        size, channels, fit = form.image_size, form.channels, form.fit
        yield content_sha256(decode_picture(png, keys[row], image_size=size, channels=channels, fit=fit))


def _of_test_set(workspace: Workspace, form: Form, reporter: Reporter) -> Iterator[Content]:
    """The pictures of a test set that people vouch for, decoded as those of a drop are."""
    variant = drops_variant(workspace)
    place = test_source(workspace.layout, variant.name)
    reporter.say(f"reading the test set {place}, so that no drop brings its pictures")
    intake = workspace.params.intake
    settings = {"most_pixels": intake.most_pixels, **asdict(form)}
    with DecodePool(settings, intake.most_seconds) as pool:
        line: deque[tuple[str, Task]] = deque()
        for where, data in test_pictures(variant.name, variant.params, place):
            line.append((where, Task(data)))
            pool.add(line[-1][1])
            while len(line) >= _IN_LINE:
                pool.work()
                yield from _answered(line)
        while line:
            pool.work()
            yield from _answered(line)


def _answered(line: deque[tuple[str, Task]]) -> Iterator[Content]:
    while line and (copy := line[0][1].answer) is not None:
        where, _ = line.popleft()
        if isinstance(copy, NoCopy):
            raise DataError(f"{where} of the test set cannot be read: {copy.message}")
        hashes = (copy.content_sha256, copy.trained_sha256, copy.perceptual_hash)
        yield Content(*hashes, TEST_SET, "", where)
