"""What every data set promises (`asd.datasets`)."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from asd.datasets._base import SPLITS, DatasetParams, Download, LoadedSplit, Split
from asd.errors import ParamsError
from asd.plugin_checks import require
from asd.progress import Reporter
from asd.shards.keys import check_key
from asd.types import Sample


@dataclass(frozen=True)
class Case:
    """One data set, its params and its source; the checks read all of it, so a part is best.

    Attributes:
        plugin: its plug-in's name.
        dataset: the module.
        source: what it reads; None for one that needs none.
        given: params as `params.yaml` would have them.
    """

    plugin: str
    dataset: ModuleType
    source: Path | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    def load(self, split: Split, **params: object) -> tuple[LoadedSplit, list[Sample]]:
        """A split and all its samples."""
        quiet = Reporter("fetch", self.plugin, io.StringIO())
        made = self.dataset.Params(**{**self.given, **params})
        loaded: LoadedSplit = self.dataset.load(made, split, self.source, quiet)
        return loaded, list(loaded.samples)


def has_params_and_load(case: Case) -> None:
    """It has a docstring, Params (of DatasetParams) and load(params, split, source, reporter)."""
    require(issubclass(case.dataset.Params, DatasetParams), "Params must be a subclass of DatasetParams")
    words = list(inspect.signature(case.dataset.load).parameters)
    require(words == ["params", "split", "source", "reporter"], f"load takes {', '.join(words)}")
    require(case.dataset.__doc__, "its first line must be a docstring: `asd list datasets` prints it")


def describes_its_params(case: Case) -> None:
    """Every param has a default and a description."""
    case.dataset.Params()
    silent = [name for name, field in case.dataset.Params.model_fields.items() if not field.description]
    require(not silent, f"no description for {', '.join(silent)}")


def names_its_downloads(case: Case) -> None:
    """Each download has an address, a hash and a name of its own."""
    if not hasattr(case.dataset, "downloads"):
        return
    files: list[Download] = case.dataset.downloads(case.dataset.Params(), None)
    for file in files:
        require(file.url.startswith("http"), f"{file.name}: the address is {file.url!r}")
        require(len(file.sha256 or "") == 64, f"{file.name}: no SHA-256 is declared")
    require(len({file.name for file in files}) == len(files), "two downloads have one name")


def loads_or_names_the_command_without_a_source(case: Case) -> None:
    """Without a source it loads, or the error names `asd source set`."""
    try:
        case.dataset.load(case.dataset.Params(), "train", None, Reporter("fetch", "check", io.StringIO()))
    except ParamsError as error:
        names_one = "`asd source set " in str(error) or "`asd drop add " in str(error)
        require(names_one, f"the error names neither `asd source set` nor `asd drop add`: {error}")


def gives_what_it_announces(case: Case) -> None:
    """As many samples as announced, uint8 of one shape, labels within the classes."""
    for split in SPLITS:
        loaded, samples = case.load(split)
        left_out = len(loaded.left_out)
        require(
            len(samples) + left_out == loaded.count > 0,
            f"{split}: {len(samples)} samples and {left_out} left out, announced {loaded.count}",
        )
        shapes = {sample.image.shape for sample in samples}
        require(shapes == {loaded.image_shape}, f"{split}: shapes {shapes}, announced {loaded.image_shape}")
        kinds = {sample.image.dtype for sample in samples}
        require(kinds == {np.dtype(np.uint8)}, f"{split}: pictures are {kinds}, wanted uint8")
        labels = {sample.label for sample in samples}
        require(
            labels <= set(range(len(loaded.class_names))),
            f"{split}: labels up to {max(labels)} for {len(loaded.class_names)} class names",
        )


def has_unique_legal_keys(case: Case) -> None:
    """Keys are legal and unique over both splits."""
    keys = [check_key(sample.key) for split in SPLITS for sample in case.load(split)[1]]
    require(len(set(keys)) == len(keys), f"{len(keys) - len(set(keys))} keys come twice")


def gives_the_same_samples_twice(case: Case) -> None:
    """Read again, it gives the same samples in the same order."""
    first, second = (
        [(s.key, s.label, s.source, s.content_sha256) for s in case.load("train")[1]] for _ in range(2)
    )
    require(first == second, "the second reading differs from the first")


def takes_a_class_balanced_part(case: Case) -> None:
    """`limit` and `limit_test` take a class-balanced part in source order."""
    for split, limit in zip(SPLITS, ("limit", "limit_test"), strict=True):
        loaded, whole = case.load(split)
        classes = len(loaded.class_names)
        if np.bincount([sample.label for sample in whole], minlength=classes).min() < 2:
            continue  # a class cannot give its share
        _, part = case.load(split, **{limit: 2 * classes})
        counts = np.bincount([sample.label for sample in part], minlength=classes).tolist()
        require(
            counts == [2] * classes, f"{limit} {2 * classes} gives {counts} samples a class, wanted 2 each"
        )
        places = {sample.key: place for place, sample in enumerate(whole)}
        order = [places.get(sample.key, -1) for sample in part]
        require(order == sorted(order) and order[0] >= 0, f"{limit}: not in source order")


CHECKS: tuple[Callable[[Case], None], ...] = (
    has_params_and_load,
    describes_its_params,
    names_its_downloads,
    loads_or_names_the_command_without_a_source,
    gives_what_it_announces,
    has_unique_legal_keys,
    gives_the_same_samples_twice,
    takes_a_class_balanced_part,
)
