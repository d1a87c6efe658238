"""Poisoned pictures, beside what they were if that is known: in the band that production does not have."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd.audit.pictures import SIDE, picture_uri
from asd.audit.record import TruthMasks
from asd.picture_change import Difference, Strength, difference, strength
from asd.shards.one import open_sparsely
from asd.truth import NOT_KNOWN
from asd.types import DataView, Images

SHOWN = 6
MEASURED = 60
"""Poisoned pictures over which PSNR and SSIM are taken, at most; every tenth of them is shown."""


@dataclass(frozen=True)
class PlantedPicture:
    """One poisoned sample: where it is, its content hashes (hex) now and before, its classes.

    What it was before is None where it came poisoned.
    """

    key: str
    row: int
    content: str
    content_before: str | None
    class_before: str
    class_given: str


@dataclass(frozen=True)
class PlantedPictures:
    """Some poisoned samples of a run.

    Attributes:
        samples: n of them, spread evenly over all.
        changed: their pictures, uint8, shape (n, C, H, W).
        clean: what they were; None where they came poisoned, and then nothing else is known either.
        apart: the difference of the two.
        strength: over more of them.
    """

    samples: tuple[PlantedPicture, ...]
    changed: Images
    clean: Images | None = None
    apart: Difference | None = None
    strength: Strength | None = None

    def rows(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Name of each row of the page, with (PNG data URI, what stands below it) of each picture."""
        poisoned = ("poisoned", _row(self.changed, [one.class_given for one in self.samples]))
        if self.clean is None or self.apart is None:
            return [poisoned]
        return [
            ("clean", _row(self.clean, [one.class_before for one in self.samples])),
            poisoned,
            ("difference", _row(self.apart.image, [""] * len(self.samples))),
        ]

    def as_json(self) -> dict[str, Any]:
        """The facts without pixels."""
        strength, apart = self.strength, self.apart
        return {
            "samples": [asdict(one) for one in self.samples],
            "psnr": None if strength is None else strength.psnr,
            "ssim": None if strength is None else strength.ssim,
            "pictures": None if strength is None else strength.pictures,
            "magnified": None if apart is None else apart.factor,
            "largest_difference": None if apart is None else apart.largest,
        }


def planted_pictures(base: Path, view: DataView, truth: TruthMasks | None) -> PlantedPictures | None:
    """Look at some of the poisoned samples; None where nothing was planted.

    Args:
        base: the training set as fetched; its samples are the first of the view, in its order.
        view: what the run saw.
    """
    if truth is None or not truth.planted:
        return None
    poisoned = np.flatnonzero(truth.poisoned)
    measured = _spread(poisoned, MEASURED)
    fetched = open_sparsely(base)
    clean, changed = fetched.images[measured], np.ascontiguousarray(view.images[measured])
    shown = np.searchsorted(measured, _spread(measured, SHOWN))
    came = all(fetched.index.content[row] == view.index.content[row] for row in measured.tolist())
    samples = tuple(_sample(fetched, view, truth, row, came=came) for row in measured[shown].tolist())
    if came:  # an imported set: what lies in the data was poisoned before
        return PlantedPictures(samples, changed[shown])
    apart = difference(clean[shown], changed[shown])
    return PlantedPictures(samples, changed[shown], clean[shown], apart, strength(clean, changed))


def _sample(fetched: DataView, view: DataView, truth: TruthMasks, row: int, *, came: bool) -> PlantedPicture:
    before = int(truth.label_before[row])
    return PlantedPicture(
        key=view.index.keys[row],
        row=row,
        content=view.index.content[row],
        content_before=None if came else fetched.index.content[row],
        class_before="not known" if before == NOT_KNOWN else view.class_names[before],
        class_given=view.class_names[int(view.labels[row])],
    )


def _spread(rows: np.ndarray[Any, np.dtype[np.int64]], most: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """At most so many of the rows, evenly."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64))]


def _row(images: Images, texts: list[str]) -> list[tuple[str, str]]:
    side = min(max(images.shape[2:]), SIDE)  # small ones are enlarged by the page: a few KB in all
    return [(picture_uri(image, side), text) for image, text in zip(images, texts, strict=True)]
