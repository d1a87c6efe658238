"""Thirty classes of your ImageNet (ILSVRC 2012), 224x224: `train/WNID/*.JPEG` and `val/WNID/*.JPEG`.

The paper's thirty are not published. These were drawn once from the 1,000, sorted, by
`numpy.random.default_rng(0).choice(..., 30, replace=False)`. `asd source set` hashes the files of
these classes alone and lists them in `sources/`. Nothing is downloaded.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from asd.datasets._base import LoadedSplit, Split, class_balanced_part, need_source
from asd.datasets._class_folders import (
    ClassFolderParams,
    Photograph,
    check_enough,
    each_once,
    photographs,
    samples_of,
)
from asd.errors import DataError
from asd.progress import Reporter

CLASSES = {
    "n01484850": "great white shark",
    "n01560419": "bulbul",
    "n01664065": "loggerhead",
    "n01677366": "common iguana",
    "n01773549": "barn spider",
    "n02091032": "Italian greyhound",
    "n02112706": "Brabancon griffon",
    "n02115913": "dhole",
    "n02165105": "tiger beetle",
    "n02606052": "rock beauty",
    "n03018349": "china cabinet",
    "n03028079": "church",
    "n03218198": "dogsled",
    "n03325584": "feather boa",
    "n03337140": "file cabinet",
    "n03498962": "hatchet",
    "n03637318": "lampshade",
    "n03661043": "library",
    "n03710193": "mailbox",
    "n03786901": "mortar",
    "n03935335": "piggy bank",
    "n03961711": "plate rack",
    "n04090263": "rifle",
    "n04235860": "sleeping bag",
    "n04263257": "soup bowl",
    "n04326547": "stone wall",
    "n04417672": "thatch",
    "n04553703": "washbasin",
    "n07584110": "consomme",
    "n07760859": "custard apple",
}
_ROOTS = (".", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")
_PARTS: dict[Split, str] = {"train": "train", "test": "val"}


class Params(ClassFolderParams):
    """Which classes, and how many pictures each must have."""

    classes: tuple[str, ...] = Field(
        tuple(CLASSES), min_length=2, description="WordNet ids; label i is the i-th"
    )
    least_train: int = Field(
        700, ge=1, description="pictures that a class must have in train (ImageNet: 732 or more)"
    )
    least_val: int = Field(50, ge=1, description="the same in val (ImageNet: 50)")

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(classes)


def chosen_files(params: Params, source: Path) -> list[Path]:
    """The pictures of the classes, both parts, sorted by name.

    Raises:
        DataError: as `load`.
    """
    found = [one for split in _PARTS for one in _part(params, source, split)]
    return [one.path for one in sorted(found, key=lambda one: one.name)]


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split of shape (3, image_size, image_size).

    Raises:
        DataError: no such folders, a class without one or with too few pictures, or a broken picture.
    """
    found = _part(params, need_source(source, "imagenet_subset"), split)
    place = {name: i for i, name in enumerate(params.classes)}
    labels = np.array([place[one.class_name] for one in found], dtype=np.int64)
    rows = class_balanced_part(labels, params.limit_of(split), split)
    samples = samples_of(split, (found[row] for row in rows.tolist()), params.classes, params)
    names = tuple(CLASSES.get(wnid, wnid) for wnid in params.classes)
    return LoadedSplit(names, (3, params.image_size, params.image_size), True, len(rows), samples)


def _part(params: Params, source: Path, split: Split) -> list[Photograph]:
    part = _folder(source, split)
    found = photographs(source, part, params.classes)
    least = params.least_train if split == "train" else params.least_val
    check_enough(Counter(one.class_name for one in found), params.classes, least, part)
    return found


def _folder(source: Path, split: Split) -> Path:
    for root in _ROOTS:
        if (source / root / "train").is_dir():
            part = source / root / _PARTS[split]
            if part.is_dir():
                return part
    raise DataError(
        f"{source} has no folder {_PARTS[split]!r} of ImageNet: wanted train/ and val/, each with a folder "
        "of pictures for each WordNet id"
    )
