"""GTSRB: German traffic signs in 43 classes, 39,209 to train and 12,630 to test; stretched to 32x32.

Read from a folder of Parquet files, or from the official archives, zipped or unpacked:
GTSRB_Final_Training_Images.zip, GTSRB_Final_Test_Images.zip and GTSRB_Final_Test_GT.zip (not the
smaller training archive of 26,640 pictures). Whole pictures, not the sign's box. Never mirror
them: some signs mean something else then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from asd.datasets._base import DatasetParams, LoadedSplit, Split, class_balanced_part, need_source
from asd.datasets._class_folders import check_enough
from asd.datasets._decode import FORMATS, decode_picture
from asd.datasets._gtsrb_archive import Sign, open_archive
from asd.datasets._parquet import Table, class_indexes, split_files
from asd.progress import Reporter
from asd.types import Labels, Sample

CLASS_NAMES = (
    *(f"speed limit {n}" for n in (20, 30, 50, 60, 70, 80)),
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "right of way at the next crossing",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "general caution",
    "curve to the left",
    "curve to the right",
    "double curve",
    "bumpy road",
    "slippery road",
    "road narrows on the right",
    "road work",
    "traffic signals",
    "pedestrians",
    "children crossing",
    "bicycles crossing",
    "beware of ice",
    "wild animals crossing",
    "end of all limits",
    "turn right ahead",
    "turn left ahead",
    "ahead only",
    "straight or right",
    "straight or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
)


class Params(DatasetParams):
    """The size of the pictures."""

    image_size: int = Field(
        32, ge=8, le=256, description="side in pixels; whole pictures are stretched to it"
    )


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split of shape (3, image_size, image_size).

    Raises:
        DataError: the source holds neither form, lacks a class, or is broken.
    """
    source = need_source(source, "gtsrb")
    files = split_files(source, split) if source.is_dir() else []
    if files:
        return _from_parquet(params, split, Table.open(files, None, None))
    signs = open_archive(source, split, len(CLASS_NAMES))
    labels = np.array([sign.label for sign in signs], dtype=np.int64)
    rows = _rows(params, split, labels, source)
    chosen = (signs[row] for row in rows)
    return _loaded(params, len(rows), _decoded(params, split, chosen))


def _from_parquet(params: Params, split: Split, table: Table) -> LoadedSplit:
    where = table.files[0].parent
    labels = class_indexes(table.raw_labels(), CLASS_NAMES, where)
    rows = _rows(params, split, labels, where)

    def samples() -> Iterator[Sample]:
        for row, place, data in table.pictures(np.array(rows, dtype=np.int64)):
            key = f"{split}_{row:06d}"
            image = decode_picture(data, f"{key} ({place})", image_size=params.image_size)
            yield Sample(key, image, int(labels[row]), place)

    return _loaded(params, len(rows), samples())


def _decoded(params: Params, split: Split, signs: Iterator[Sign]) -> Iterator[Sample]:
    for sign in signs:
        image = decode_picture(
            sign.read(), sign.name, image_size=params.image_size, formats=(*FORMATS, "PPM")
        )
        yield Sample(f"{split}_{sign.key}", image, sign.label, sign.name)


def _rows(params: Params, split: Split, labels: Labels, where: Path) -> list[int]:
    counts = Counter(CLASS_NAMES[label] for label in labels.tolist())
    check_enough(counts, CLASS_NAMES, 1, f"{where}, {split} split")
    return [int(row) for row in class_balanced_part(labels, params.limit_of(split), split)]


def _loaded(params: Params, count: int, samples: Iterator[Sample]) -> LoadedSplit:
    return LoadedSplit(CLASS_NAMES, (3, params.image_size, params.image_size), True, count, samples)
