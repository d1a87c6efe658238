"""The poisoned pictures of a run beside what they were."""

import dataclasses

import numpy as np
import pytest

from asd import store
from asd.audit.planted import MEASURED, SHOWN, planted_pictures
from asd.audit.record import truth_masks
from asd.shards.manifest import read_manifest
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.truth import PoisonTruth
from asd.types import Sample

COUNT, SHAPE = 300, (3, 8, 8)


def picture(row, planted=False):
    image = np.full(SHAPE, row % 200, np.uint8)
    if planted:
        image[:, 0, 0] += 51
    return image


def write(folder, samples, base=None):
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name="pets",
            split="train",
            class_names=("cat", "dog"),
            image_shape=SHAPE,
            trusted=True,
            base=base,
        )


@pytest.fixture
def planted(tmp_path):
    """Function of the poisoned rows: class 1 by their place, given as class 0."""

    def make(rows):
        base, overlay = tmp_path / "base", tmp_path / "overlay"
        write(base, [Sample(f"k{r:03d}", picture(r), r % 2, f"a#{r}") for r in range(COUNT)])
        write(
            overlay, [Sample(f"k{r:03d}", picture(r, True), 0, f"a#{r}") for r in rows], read_manifest(base)
        )
        view = open_view(base, overlay=overlay, pixel_cache=tmp_path / "cache")
        truth = PoisonTruth(
            tuple(f"k{r:03d}" for r in rows), ("poisoned",) * len(rows), np.ones(len(rows), np.int64)
        )
        return planted_pictures(base, view, truth_masks(truth, view.index, trusted=True))

    return make


def test_what_came_poisoned_is_shown_without_what_it_was(tmp_path):
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    write(base, [Sample(f"k{r:03d}", picture(r, r == 2), 0, f"a#{r}") for r in range(4)])
    write(overlay, [], read_manifest(base))
    view = open_view(base, overlay=overlay, pixel_cache=tmp_path / "cache")
    truth = PoisonTruth(("k002",), ("poisoned",), np.array([-1]))

    found = planted_pictures(base, view, truth_masks(truth, view.index, trusted=False))

    assert [name for name, _ in found.rows()] == ["poisoned"]
    assert found.changed[0].tolist() == picture(2, True).tolist()
    assert found.as_json() | {"samples": 0} == {
        "samples": 0, "psnr": None, "ssim": None, "pictures": None, "magnified": None,
        "largest_difference": None,
    }  # fmt: skip
    (one,) = found.samples
    assert (one.content_before, one.class_before, one.class_given) == (None, "not known", "cat")


def test_clean_poisoned_and_their_difference(planted):
    found = planted([1, 3, 5])
    assert [one.key for one in found.samples] == ["k001", "k003", "k005"]
    assert {(one.class_before, one.class_given) for one in found.samples} == {("dog", "cat")}
    assert found.clean[1].tolist() == picture(3).tolist()
    assert found.changed[1].tolist() == picture(3, True).tolist()
    assert (found.apart.factor, found.apart.largest, found.apart.pixels) == (5.0, 51, 3)
    # 3 of 192 values differ by 51: 10 log10(255^2 * 64 / 51^2)
    assert found.strength.psnr == pytest.approx(10 * np.log10(25 * 64))


def test_few_of_many_are_shown_evenly_and_more_are_measured(planted):
    rows = list(range(1, 300, 2))
    found = planted(rows)
    shown = [one.row for one in found.samples]
    assert (len(shown), shown[0], shown[-1]) == (SHOWN, 1, 299)
    assert found.strength.pictures == MEASURED


def test_the_hashes_are_those_of_both_pictures(planted):
    one = planted([7]).samples[0]
    assert one.content == Sample("x", picture(7, True), 0, "").content_sha256
    assert one.content_before == Sample("x", picture(7), 0, "").content_sha256


def test_nothing_planted_is_nothing_to_show(planted):
    assert planted([]) is None


def test_the_same_run_gives_the_same_page_in_a_few_kilobytes(planted):
    found = planted(list(range(1, 300, 2)))
    rows = found.rows()
    assert [name for name, _ in rows] == ["clean", "poisoned", "difference"]
    assert rows == dataclasses.replace(found).rows()
    assert sum(len(uri) for _, cells in rows for uri, _ in cells) < 40_000
