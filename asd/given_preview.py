"""What came poisoned, to be looked at: training pictures as they are, triggered ones beside the clean."""

from __future__ import annotations

import numpy as np

from asd.attacks import NOT_KNOWN
from asd.given import MatchedTest
from asd.picture_change import difference, strength
from asd.planting import Rows
from asd.preview_part import Part
from asd.truth import POISONED, PoisonTruth
from asd.types import DataView

MEASURED = 64
"""Pictures over which PSNR and SSIM are taken, at most."""


def train_part(view: DataView, truth: PoisonTruth, count: int) -> tuple[Part, ...]:
    """Poisoned training pictures, spread evenly; what they were before is not known. None: none."""
    before = {
        key: label
        for key, role, label in zip(truth.keys, truth.roles, truth.labels_before.tolist(), strict=True)
        if role == POISONED
    }
    rows = _spread(np.flatnonzero([key in before for key in view.index.keys]), count)
    if not len(rows):
        return ()
    return (
        Part(
            "train",
            np.ascontiguousarray(view.images[rows]),
            tuple(_name(view, before[view.index.keys[row]]) for row in rows.tolist()),
            tuple(_name(view, int(view.labels[row])) for row in rows.tolist()),
        ),
    )


def test_part(test: DataView, matched: MatchedTest, count: int) -> tuple[Part, ...]:
    """Triggered test pictures: those whose clean ones are known if any are. None: none counts."""
    if matched.given is None or not len(matched.rows):
        return ()
    paired = np.flatnonzero(matched.twins >= 0)
    chosen = _spread(paired if len(paired) else np.arange(len(matched.rows)), max(count, MEASURED))
    changed = np.ascontiguousarray(matched.given.images[matched.rows[chosen]])
    before = tuple(_name(test, label) for label in matched.labels_before[chosen][:count].tolist())
    wanted = matched.given.wanted[matched.rows[chosen]][:count]
    after = tuple(_name(test, label) for label in wanted.tolist())
    if not len(paired):
        return (Part("test", changed[:count], before, after),)
    clean = np.ascontiguousarray(test.images[matched.twins[chosen]])
    apart = difference(clean[:count], changed[:count])
    return (Part("test", changed[:count], before, after, clean[:count], apart, strength(clean, changed)),)


def _name(view: DataView, label: int) -> str:
    return "not known" if label == NOT_KNOWN else view.class_names[label]


def _spread(rows: Rows, most: int) -> Rows:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64))]
