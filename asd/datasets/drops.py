"""The union of all accepted data drops (`asd drop add`): untrusted pictures of one or more sources.

Drops stand in the order in which they were taken in, so a new one adds shards and moves nothing.
Classes are those of `class_names`, else those of the drops, sorted. The test set is a share of the
pictures, drawn by content, or a folder that you vouch for; no drop brings a test set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from asd.datasets._base import (
    HELD_OUT,
    LoadedSplit,
    Split,
    TestSet,
    check_not_empty,
    class_balanced_part,
    is_held_out,
    shape_of_first,
)
from asd.datasets._images import PictureParams
from asd.datasets._pictures import Rows, names_of, to_labels
from asd.drop_records import DropRecord, Part, read_records, union_parts
from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.progress import Reporter
from asd.source_groups import drop_source
from asd.types import LeftOut, Sample

if TYPE_CHECKING:
    from asd.shards.drop_folder import DropManifest

WORKSPACE = True
"""It reads what lies in the workspace itself."""

_COLUMNS = ["key", "label", "path", "content_sha256"]


class Params(PictureParams):
    """Pictures of any size; give `image_size` unless all are alike."""

    test: TestSet = Field(
        "held_out",
        description="held_out: a share of the pictures, by content; folder: a test set that you vouch for "
        "(`asd source set DATASET.test PATH`)",
    )
    held_out: float | None = Field(
        HELD_OUT, gt=0, lt=1, description="share of the pictures taken as test split, by content"
    )
    trusted: Literal[False] = Field(False, description="nobody vouches for the labels of a drop")

    @model_validator(mode="after")
    def _no_published_test(self) -> Self:
        if self.test == "published":
            raise ValueError(
                "a drop brings no test set: say held_out (a share of the pictures) or folder "
                "(`asd source set DATASET.test PATH`)"
            )
        if self.test == "held_out" and self.held_out is None:
            raise ValueError("test: held_out needs a share; set held_out, such as 0.1")
        return self


@dataclass(frozen=True)
class _Folder:
    """One folder of a drop: its manifest and what its index says of each picture."""

    path: Path
    record: DropRecord
    part: Part
    manifest: DropManifest
    keys: list[str]
    labels: list[str]
    paths: list[str]
    content: list[str]

    def source(self, row: int) -> str:
        return drop_source(self.record.source, self.record.number, self.paths[row])


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split of the union; `source` is the workspace. The shape is that of its first picture
    unless `image_size` is set.

    Raises:
        DataError: no accepted drop, a drop that is not what its record says, a label that is no class.
    """
    if source is None:
        raise ParamsError("data set drops is read from a workspace: `asd drop add PATH --source NAME`")
    folders = _open(Layout(source))
    names = names_of((label for folder in folders for label in folder.labels), params.class_names)
    labels = to_labels(((f.source(i), label) for f in folders for i, label in enumerate(f.labels)), names)
    once, copies = _without_copies(folders)
    in_test = _drawn(folders, params.held_out or 0.0)
    rows = np.flatnonzero(once & (in_test == (split == "test")))
    rows = rows[class_balanced_part(labels[rows], params.limit_of(split), split)]
    check_not_empty(len(rows), split, "the union of the drops")
    left_out = [left for row, left in copies if in_test[row] == (split == "test")]

    def samples() -> Iterator[Sample]:
        start = 0
        for folder in folders:
            here = rows[(rows >= start) & (rows < start + len(folder.keys))]
            yield from _samples(params, folder, here - start, labels[start:])
            start += len(folder.keys)

    shape, whole = shape_of_first(samples())
    readmitted = {key: f.part.folder for f in folders if "-" in f.part.folder for key in f.keys}
    return LoadedSplit(
        *(names, shape, params.trusted, len(rows) + len(left_out), whole, left_out),
        group=lambda sample: readmitted.get(sample.key, sample.key.partition("_")[0]),
    )


def _open(layout: Layout) -> list[_Folder]:
    from asd.shards.drop_folder import read_drop_index, read_drop_manifest

    folders = []
    for record, part in union_parts(read_records(layout)):
        path = layout.drops / part.folder
        manifest = read_drop_manifest(path, part.manifest_sha256)
        table = read_drop_index(path, manifest, _COLUMNS)
        columns = (table[name].to_pylist() for name in _COLUMNS)
        folders.append(_Folder(path, record, part, manifest, *columns))
    if not folders:
        raise DataError("there is no accepted drop yet: `asd drop add PATH --source NAME`, `asd drop list`")
    return folders


def _without_copies(folders: list[_Folder]) -> tuple[np.ndarray, list[tuple[int, LeftOut]]]:
    """Which rows are the first of their picture, and the others.

    The gate refuses copies of earlier drops; some come back when a drop that was held or withdrawn
    is let in after another one with the same pictures. A copy that a person readmitted stays.
    """
    first: dict[str, str] = {}
    copies: list[tuple[int, LeftOut]] = []
    row = 0
    for folder in folders:
        readmitted = "-" in folder.part.folder
        for i, content in enumerate(folder.content):
            if not readmitted and (earlier := first.setdefault(content, folder.keys[i])) != folder.keys[i]:
                reason = f"the same picture as {earlier}"
                copies.append((row, LeftOut(folder.keys[i], folder.source(i), reason)))
            row += 1
    once = np.ones(row, np.bool_)
    once[[place for place, _ in copies]] = False
    return once, copies


def _drawn(folders: list[_Folder], share: float) -> np.ndarray:
    """Which rows are of the test part, by their pixels as sent."""
    draws = (is_held_out(bytes.fromhex(content), share) for f in folders for content in f.content)
    return np.fromiter(draws, np.bool_, sum(len(folder.keys) for folder in folders))


def _samples(params: Params, folder: _Folder, rows: Rows, labels: np.ndarray) -> Iterator[Sample]:
    """The pictures of one folder; `labels` begins with its first."""
    from asd.shards.drop_folder import iter_pictures

    wanted = set(rows.tolist())
    if not wanted:
        return
    for row, png in iter_pictures(folder.path, folder.manifest, folder.keys):
        if row in wanted:
            source = folder.source(row)
            image = params.decode(png, f"{folder.keys[row]} ({source})")
            yield Sample(folder.keys[row], image, int(labels[row]), source)
