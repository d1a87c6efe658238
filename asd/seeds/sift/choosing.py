"""Which samples are taken as seeds: those whose label every view supports and no view is too sure of.

Shapes: R sifted samples, V views.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from asd import rng
from asd.errors import DataError
from asd.seed_params import SiftParams
from asd.seeds.candidates import unambiguous
from asd.seeds.drawing import ranked
from asd.seeds.seed_set import SeedSet
from asd.seeds.sift import views
from asd.seeds.sift.agreement import Fit, margins
from asd.seeds.sift.patches import SIDE, parts
from asd.types import DataView, Labels, Mask

MOST_DROPPED = 2 / 3
"""Part of a class that may count as too sure: a class that is easy in all of its samples keeps some."""

_CHUNK = 4096
_THUMBNAIL = 8  # pixels of a side of what is compared for likeness
Margins = NDArray[np.float64]


@dataclass(frozen=True)
class Signals:
    """What the views say of R samples.

    Attributes:
        rows: place of each in the training set, (R,).
        labels: as given, (R,).
        first: margins of all views, fitted on all samples, (R, V).
        above: how far the surest view goes beyond what is usual, (R,); above 0 is too sure.
        dropped: too sure, and so left out of the later fits, (R,).
        last: margins of all views, fitted on the better half of the rest, (R, V).
        thumbnails: 8x8, 0 to 255, (R, C * 64).
    """

    rows: Labels
    labels: Labels
    first: Margins
    above: NDArray[np.float64]
    dropped: Mask
    last: Margins
    thumbnails: NDArray[np.float32]

    @property
    def agreeing(self) -> NDArray[np.float64]:
        """Part of the views that predict the label as given, (R,)."""
        part: NDArray[np.float64] = (self.last > 0).mean(1)
        return part

    def passed(self, params: SiftParams) -> Mask:
        """Whose label enough views support and no view is too sure of, (R,)."""
        return np.logical_not(self.dropped) & (self.agreeing >= params.agree)


@dataclass(frozen=True)
class Sifted:
    """The seeds of a trial.

    Attributes:
        seeds: the ranked set.
        at: place of each seed among the R sifted samples.
        short: label -> how many seeds of that class did not pass and were taken by rank.
    """

    seeds: SeedSet
    at: Labels
    short: Mapping[int, int]


def look(view: DataView, params: SiftParams, random_seed: int, device: torch.device) -> Signals:
    """Compute the signals; they depend on pictures and labels, not on the samples' order or on the trial.

    Raises:
        DataError: fewer than two classes.
    """
    if view.class_count < 2:
        raise DataError(f"sifted seeds need two classes or more to compare, got {view.class_count}")
    rows, folds = _rows(view, params, random_seed)
    labels = view.labels[rows]
    pictures = views.small(view.images, rows, device)
    seen = [
        views.features(pictures, name, params.patches, rng.numpy_generator(random_seed, "sift", name))
        for name in views.RENDERINGS
    ]

    def fitted(use: Mask) -> Margins:
        given = [torch.from_numpy(one).to(device) for one in (labels, folds, use)]
        fit = Fit(given[0], given[1], given[2], view.class_count, params.ridge)
        return np.concatenate([margins(one, views.REGIONS, fit).cpu().numpy() for one in seen], 1)

    first = fitted(np.ones(len(rows), dtype=np.bool_))
    above = (first - usual(first, labels, params.too_sure)).max(1)
    dropped = too_sure(above, labels)
    second = fitted(np.logical_not(dropped))
    last = fitted(better_half(second.mean(1), labels, dropped))
    return Signals(rows, labels, first, above, dropped, last, _thumbnails(pictures))


def _rows(view: DataView, params: SiftParams, random_seed: int) -> tuple[Labels, Labels]:
    """Rows to sift in an order that pictures and labels alone decide, and the fold of each.

    Of equal pictures one counts, and none with several labels: a copy in another fold would vouch for
    itself. Of more than `most` samples every class gives as many.
    """
    index = view.index
    rows = unambiguous(index.content, index.labels.tolist())
    digests = {row: hashlib.sha256(f"{random_seed}:{index.content[row]}".encode()).digest() for row in rows}
    taken, folds = [], []
    for label in range(view.class_count):
        own = sorted((row for row in rows if index.labels[row] == label), key=lambda row: digests[row])
        own = own[: max(params.per_class, params.most // view.class_count)]
        taken += own
        folds += [place % params.folds for place in range(len(own))]
    return np.array(taken, dtype=np.int64), np.array(folds, dtype=np.int64)


def usual(found: Margins, labels: Labels, quantile: float) -> NDArray[np.float64]:
    """The margin that few clean samples exceed, (V,): the (lower) median over classes of their quantile."""
    of_classes = [np.quantile(found[labels == label], quantile, axis=0) for label in np.unique(labels)]
    limit: NDArray[np.float64] = np.quantile(np.stack(of_classes), 0.5, axis=0, method="lower")
    return limit


def too_sure(above: NDArray[np.float64], labels: Labels) -> Mask:
    """Samples with a view beyond the usual; of each class at most `MOST_DROPPED`, the farthest first."""
    dropped = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        farthest = own[np.argsort(-above[own], kind="stable")][: int(MOST_DROPPED * len(own))]
        dropped[farthest] = above[farthest] > 0
    return dropped


def better_half(support: NDArray[np.float64], labels: Labels, dropped: Mask) -> Mask:
    """Samples that are not dropped and have at least the median support of those of their class.

    Wrong labels among the others would teach the last fit what the poison looks like.
    """
    kept = np.logical_not(dropped)
    better = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels[kept]):
        own = np.flatnonzero(kept & (labels == label))
        better[own] = support[own] >= np.median(support[own])
    return better


def _thumbnails(pictures: Tensor) -> NDArray[np.float32]:
    size = SIDE // _THUMBNAIL
    found = [functional.avg_pool2d(part.float(), size).flatten(1) for part in parts(pictures, _CHUNK)]
    return torch.cat(found).cpu().numpy()


# -- choosing -----------------------------------------------------------------------------------


def choose(view: DataView, found: Signals, params: SiftParams, random_seed: int, trial: int) -> Sifted:
    """Draw the seeds of a trial, `per_class` of each class or all that it has."""
    passed = found.passed(params)
    # of those that pass the best is what no view was ever sure of: a learnt trigger adds to the first fit
    worth = np.where(passed, -found.above, found.last.mean(1))
    order = np.lexsort((-worth, found.dropped, np.logical_not(passed)))
    chosen: dict[int, list[str]] = {}
    at: list[int] = []
    short: dict[int, int] = {}
    limited = []
    for label in np.unique(found.labels).tolist():
        own = order[found.labels[order] == label]
        good, other = own[passed[own]], own[np.logical_not(passed[own])]
        generator = rng.numpy_generator(random_seed, trial, "sift", label)
        best = generator.permutation(good[: params.pool])
        line = [*_apart(best, good[params.pool :], found.thumbnails, params), *other.tolist()]
        line = line[: params.per_class]
        chosen[label] = [view.index.keys[found.rows[place]] for place in line]
        at += line
        missing = int(np.logical_not(passed[line]).sum())
        if missing:
            short[label] = missing
        if len(own) > len(line):
            limited.append(label)
    return Sifted(ranked("sift", chosen, tuple(limited)), np.array(at, dtype=np.int64), short)


def _apart(best: Labels, rest: Labels, thumbnails: NDArray[np.float32], params: SiftParams) -> list[int]:
    """`best`, then `rest`, those last that are like one before them."""
    kept: list[int] = []
    alike: list[int] = []
    for place in [*best.tolist(), *rest.tolist()]:
        if len(kept) == params.per_class:
            break
        nearest = np.abs(thumbnails[kept] - thumbnails[place]).mean(1).min() if kept else np.inf
        (kept if nearest >= params.apart else alike).append(place)
    return kept + alike
