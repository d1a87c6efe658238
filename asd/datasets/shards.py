"""Shards as `fetch` wrote them, of another workspace: folders `train` and `test` with a manifest each.

Keys, labels, sources and pixels stay as they are, so that what people said of a sample (seeds,
reviews) is still about it. `asd rehearse` reads the data that it plants into this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from asd.datasets._base import DatasetParams, LoadedSplit, Split, class_balanced_part, need_source
from asd.errors import DataError
from asd.progress import Reporter
from asd.shards.read import Layer
from asd.types import Sample


class Params(DatasetParams):
    """Who vouches for the labels is said here: shards from anybody may claim what they like."""

    trusted: bool = Field(False, description="whether somebody vouches for the labels of train/")
    trusted_test: bool = Field(False, description="whether somebody vouches for the labels of test/")


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split, every shard checked against its manifest.

    Raises:
        DataError: a folder is no whole set of shards, or an overlay.
    """
    layer = Layer.open(need_source(source, "shards") / split)
    if layer.manifest.base is not None:
        raise DataError(f"{layer.folder} is an overlay of {layer.manifest.base.name}; wanted whole sets")
    rows = class_balanced_part(layer.index.labels, params.limit_of(split), split)
    chosen = {layer.index.keys[row] for row in rows.tolist()}
    return LoadedSplit(
        class_names=layer.manifest.class_names,
        image_shape=layer.manifest.image_shape,
        trusted=params.trusted if split == "train" else params.trusted_test,
        count=len(rows),
        samples=_samples(layer, chosen),
    )


def _samples(layer: Layer, chosen: set[str]) -> Iterator[Sample]:
    return layer.samples(skip=frozenset(layer.index.keys) - chosen)
