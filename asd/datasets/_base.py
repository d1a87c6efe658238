"""What every data set plug-in shares: params, the split that it returns, the drawing of a part."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from asd.errors import DataError, ParamsError
from asd.params import Params
from asd.rng import numpy_generator
from asd.types import Labels, LeftOut, Sample

Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")
TestSet = Literal["published", "held_out", "folder"]
HELD_OUT = 0.1
"""Share of the images that `test: held_out` takes where no share is given."""

_SEED = 0  # data sets do not depend on a run's seeds: all trials see the same part


class DatasetParams(Params):
    """Params that every data set has."""

    limit: int | None = Field(None, ge=1, description="size of a class-balanced part of the training split")
    limit_test: int | None = Field(None, ge=1, description="size of a class-balanced part of the test split")
    test: TestSet = Field(
        "published",
        description="published: the test split of the source; folder: a test set that you vouch for "
        "(`asd source set DATASET.test PATH`); held_out: a share of the training images, by content",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_test_set(cls, given: Any) -> Any:
        """`held_out: SHARE` says `test: held_out`, and the other way round takes `HELD_OUT`."""
        if not isinstance(given, Mapping):
            return given
        test, share = given.get("test"), given.get("held_out")
        if test == "held_out" and "held_out" not in cls.model_fields:
            raise ValueError("test: held_out is for data without a published test split; leave it out")
        if test in ("published", "folder") and share is not None:
            raise ValueError(f"test: {test} and held_out contradict each other; set held_out: null")
        if test == "held_out" and share is None:
            return {**given, "held_out": HELD_OUT}
        return given if share is None else {**given, "test": "held_out"}

    def limit_of(self, split: Split) -> int | None:
        """The limit that holds for `split`."""
        return self.limit if split == "train" else self.limit_test


@dataclass(frozen=True)
class LoadedSplit:
    """A split about to be read.

    Attributes:
        class_names: K names; label i is class_names[i].
        image_shape: (C, H, W) of every image.
        trusted: whether somebody vouches for the labels as published.
        count: how many samples will come; those that turn out to be left out count too.
        samples: each sample once, in source order, read as it is asked for.
        left_out: pictures that cannot be read; whole when `samples` has ended.
        group: samples of different groups share no shard; None: all may.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    trusted: bool
    count: int
    samples: Iterator[Sample]
    left_out: list[LeftOut] = field(default_factory=list)
    group: Callable[[Sample], str] | None = None


@dataclass(frozen=True)
class Download:
    """One file to fetch; `sha256` (hex) is None when nobody has declared it."""

    url: str
    name: str
    sha256: str | None


def class_balanced_part(labels: Labels, limit: int | None, split: Split) -> NDArray[np.int64]:
    """Positions of a class-balanced part of `limit` samples, ascending; all if `limit` is None.

    Every class gives the same number, or all it has; what is left over goes to the classes in
    order. A smaller part lies inside a larger one as far as the quotas allow.
    """
    if limit is None or limit >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    rng = numpy_generator(_SEED, "datasets", "limit", split)
    shuffled = rng.permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    quotas = _quotas(counts, limit)
    chosen = [shuffled[labels[shuffled] == c][:q] for c, q in zip(classes, quotas, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _quotas(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Equal shares of `limit` capped by `counts`; `limit` is below their sum."""
    quotas = np.zeros_like(counts)
    while (left := limit - int(quotas.sum())) > 0:
        open_classes = np.flatnonzero(quotas < counts)
        share = left // len(open_classes)
        if share == 0:
            quotas[open_classes[:left]] += 1
        else:
            quotas[open_classes] = np.minimum(quotas[open_classes] + share, counts[open_classes])
    return quotas


def is_held_out(content: bytes, fraction: float) -> bool:
    """Whether a file belongs to the test part, by its content: equal files fall on one side."""
    draw = int.from_bytes(hashlib.sha256(b"held out:" + content).digest()[:8], "big")
    return draw < fraction * 2**64


def need_source(source: Path | None, dataset: str) -> Path:
    """`source`, which this data set cannot do without.

    Raises:
        ParamsError: there is none; names the command that sets one.
    """
    if source is None:
        raise ParamsError(
            f"data set {dataset} needs a source on this machine: `asd source set {dataset} PATH`"
        )
    return source


def shape_of_first(samples: Iterator[Sample]) -> tuple[tuple[int, int, int], Iterator[Sample]]:
    """The (C, H, W) of the first sample, and all samples once more; there must be one."""
    first = next(samples)
    channels, height, width = first.image.shape
    return (channels, height, width), itertools.chain([first], samples)


def check_not_empty(count: int, split: Split, where: object) -> None:
    """Refuse an empty split.

    Raises:
        DataError: there is no sample.
    """
    if count == 0:
        raise DataError(f"{where}: the {split} split has no image")
