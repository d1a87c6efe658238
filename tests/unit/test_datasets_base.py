"""The drawing of class-balanced parts and of held-out files."""

from __future__ import annotations

import numpy as np
import pytest

from asd.datasets._base import class_balanced_part, is_held_out
from asd.types import Labels


def _labels(*counts: int) -> Labels:
    """Sorted by class, as a folder of class folders gives them."""
    return np.repeat(np.arange(len(counts)), counts).astype(np.int64)


@pytest.mark.parametrize(
    ("counts", "limit", "wanted"),
    [
        ((10, 10, 10), 6, [2, 2, 2]),
        ((10, 10, 10), 8, [3, 3, 2]),
        ((1, 10, 10), 9, [1, 4, 4]),
        ((1, 2, 10), 12, [1, 2, 9]),
        ((10, 10, 10), 2, [1, 1, 0]),
        ((3, 3), 6, [3, 3]),
        ((3, 3), 100, [3, 3]),
    ],
)
def test_every_class_gives_its_share(counts: tuple[int, ...], limit: int, wanted: list[int]) -> None:
    labels = _labels(*counts)
    rows = class_balanced_part(labels, limit, "train")
    assert np.bincount(labels[rows], minlength=len(counts)).tolist() == wanted


def test_without_a_limit_everything_comes() -> None:
    assert class_balanced_part(_labels(2, 3), None, "train").tolist() == [0, 1, 2, 3, 4]


def test_the_part_keeps_source_order_and_repeats() -> None:
    labels = _labels(50, 50)
    rows = class_balanced_part(labels, 20, "train")
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert np.array_equal(rows, class_balanced_part(labels, 20, "train"))


def test_the_part_is_drawn_and_not_the_head_of_each_class() -> None:
    rows = class_balanced_part(_labels(50, 50), 20, "train")
    assert rows.tolist() != [*range(10), *range(50, 60)]
    assert rows.tolist() != class_balanced_part(_labels(50, 50), 20, "test").tolist()


def test_a_smaller_part_lies_inside_a_larger_one() -> None:
    labels = _labels(50, 50)
    small, large = (set(class_balanced_part(labels, n, "train").tolist()) for n in (10, 30))
    assert small < large


def test_held_out_files_are_about_the_asked_share_and_depend_on_content_alone() -> None:
    contents = [str(i).encode() for i in range(2000)]
    held = [is_held_out(content, 0.25) for content in contents]
    # 2,000 draws of 0.25: five standard deviations are 97.
    assert 403 < sum(held) < 597
    assert held == [is_held_out(content, 0.25) for content in contents]
    assert all(is_held_out(c, 0.5) for c, h in zip(contents, held, strict=True) if h)
