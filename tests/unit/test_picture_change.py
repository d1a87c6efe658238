"""PSNR, SSIM and the magnified difference, with values known by hand."""

import math

import numpy as np
import pytest

from asd.errors import DataError
from asd.picture_change import difference, strength


def flat(value, shape=(3, 8, 8), count=1):
    return np.full((count, *shape), value, np.uint8)


def test_psnr_of_a_constant_shift_is_its_closed_form():
    # mean squared error d*d, so 10 log10(255^2 / d^2)
    assert strength(flat(100), flat(105)).psnr == pytest.approx(20 * math.log10(255 / 5))


def test_ssim_of_two_flat_pictures_is_the_term_of_their_brightness():
    # without variance the second factor is 1; C1 = (0.01 * 255)^2
    constant = (0.01 * 255) ** 2
    wanted = (2 * 100 * 105 + constant) / (100**2 + 105**2 + constant)
    assert strength(flat(100), flat(105)).ssim == pytest.approx(wanted)


def test_the_means_are_over_changed_pictures_alone():
    clean, changed = flat(100, count=3), flat(100, count=3)
    changed[0], changed[2] = 105, 110
    found = strength(clean, changed)
    assert found.pictures == 2
    assert found.psnr == pytest.approx(10 * (math.log10(255**2 / 25) + math.log10(255**2 / 100)) / 2)


def test_nothing_changed_is_no_number():
    found = strength(flat(9), flat(9))
    assert (found.psnr, found.ssim, found.pictures) == (None, None, 0)


@pytest.mark.parametrize(("shape", "has_ssim"), [((1, 7, 7), True), ((3, 6, 30), False)])
def test_ssim_needs_seven_pixels_each_way(shape, has_ssim):
    found = strength(flat(100, shape), flat(105, shape))
    assert (found.ssim is not None) is has_ssim
    assert found.psnr == pytest.approx(34.1514, abs=1e-4)


def test_pictures_of_two_shapes_are_refused():
    with pytest.raises(DataError, match="cannot be compared"):
        strength(flat(1), flat(1, (3, 9, 8)))


def test_the_difference_is_magnified_to_white():
    one, other = np.zeros((3, 2, 2), np.uint8), np.zeros((3, 2, 2), np.uint8)
    other[0, 0, 0], other[2, 0, 0], other[1, 1, 1] = 5, 10, 2
    found = difference(one, other)
    assert (found.factor, found.largest, found.pixels) == (25.5, 10, 2)
    assert found.image[2, 0, 0] == 255
    assert found.image[1, 1, 1] == 51
    assert difference(one, one).image.max() == 0
    with pytest.raises(DataError):
        difference(one, np.zeros((3, 4, 4), np.uint8))


def test_a_row_of_pictures_is_magnified_by_one_factor():
    one = flat(10, (1, 2, 2), count=2)
    other = one.copy()
    other[0, 0, 0, 0], other[1, 0, 1, 1] = 15, 9
    found = difference(one, other)
    assert (found.factor, found.largest, found.pixels) == (51.0, 5, 2)
    assert (found.image[0, 0, 0, 0], found.image[1, 0, 1, 1]) == (255, 51)
