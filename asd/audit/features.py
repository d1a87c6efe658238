"""Nearest others of each training sample, by features and by pixels.

Needs torch; nothing here reads the truth. Shapes: N samples in view order, D features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from asd.rng import numpy_generator
from asd.types import Images, Mask

NEIGHBOURS = 10
"""Nearest samples by features that are looked at; the page shows the first five."""

MOST_REFERENCES = 20_000
"""Neighbours are sought among so many samples at most, drawn at random from all: time grows with N alone."""

_BATCH = 512
_ROWS = 1024
_THUMBNAIL = 16

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """Nearest samples: rows and distances, nearest first; row -1 where there are fewer.

    Attributes:
        rows: int64 (N, k).
        distances: float32 (N, k).
    """

    rows: NDArray[np.int64]
    distances: Floats


def nearest_by_features(features: Floats, seed: int) -> Neighbours:
    """The `NEIGHBOURS` nearest samples by cosine distance, 0 to 2, never the sample itself."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Floats = (features / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)
    among = _references(np.arange(len(features)), seed, "audit neighbours")
    found = _nearest(unit, unit[among], among, min(NEIGHBOURS, len(among) - 1))
    return Neighbours(found.rows, found.distances / np.float32(2))  # |a - b|^2 = 2 (1 - cos)


def nearest_in_pool(images: Images, in_pool: Mask, seed: int) -> Neighbours:
    """The nearest picture of the clean pool, by the root mean square difference of pixels, 0 to 255.

    Pictures are compared at 16 x 16 at most: a small trigger hardly counts, what the picture shows does.
    """
    thumbnails = _thumbnails(images)
    among = _references(np.flatnonzero(in_pool), seed, "audit pictures")
    if not len(among):
        nowhere = np.full((len(images), 1), -1)
        return Neighbours(nowhere, np.full(nowhere.shape, np.nan, dtype=np.float32))
    found = _nearest(thumbnails, thumbnails[among], among, 1)
    root_mean = np.sqrt(found.distances / thumbnails.shape[1]).astype(np.float32)
    return Neighbours(found.rows, root_mean)


def _references(rows: NDArray[np.int64], seed: int, purpose: str) -> NDArray[np.int64]:
    if len(rows) <= MOST_REFERENCES:
        return rows
    return np.sort(numpy_generator(seed, purpose).choice(rows, MOST_REFERENCES, replace=False))


def _thumbnails(images: Images) -> Floats:
    side = min(_THUMBNAIL, images.shape[2]), min(_THUMBNAIL, images.shape[3])
    parts = []
    for start in range(0, len(images), _BATCH):
        part = torch.from_numpy(np.array(images[start : start + _BATCH])).float()
        parts.append(torch.nn.functional.adaptive_avg_pool2d(part, side).flatten(1).numpy())
    return np.concatenate(parts)


def _nearest(points: Floats, references: Floats, rows: NDArray[np.int64], count: int) -> Neighbours:
    """The `count` nearest references of each point by squared distance, itself aside; equal ones by row."""
    found_rows = np.full((len(points), max(count, 1)), -1, dtype=np.int64)
    found = np.full((len(points), max(count, 1)), np.nan, dtype=np.float32)
    count = min(count, len(rows))
    if count < 1:
        return Neighbours(found_rows, found)
    to, squares = torch.from_numpy(references), torch.from_numpy((references**2).sum(1))
    place = {int(row): i for i, row in enumerate(rows.tolist())}
    for start in range(0, len(points), _ROWS):
        part = torch.from_numpy(points[start : start + _ROWS])
        distance = (part**2).sum(1, keepdim=True) + squares - 2 * part @ to.T
        for i in range(len(part)):
            if (own := place.get(start + i)) is not None:
                distance[i, own] = torch.inf
        nearest, index = torch.topk(distance, count, dim=1, largest=False, sorted=True)
        usable = torch.isfinite(nearest).numpy()
        stop = start + len(part)
        found_rows[start:stop, :count] = np.where(usable, rows[index.numpy()], -1)
        found[start:stop, :count] = np.where(usable, np.maximum(nearest.numpy(), 0), np.nan)
    return Neighbours(found_rows, found)
