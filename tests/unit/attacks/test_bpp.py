"""Bpp: quantised levels, and dithering against a slow plain version."""

import numpy as np
import pytest
import torch

from asd.errors import ParamsError


def plain_dithering(image, levels):
    """Floyd-Steinberg by the book, pixel by pixel, on one channel of shape (H, W)."""
    step = 255 / (levels - 1)
    work = image.astype(np.float64)
    height, width = work.shape
    for row in range(height):
        for column in range(width):
            old = work[row, column]
            new = min(max(round(old / step), 0), levels - 1) * step
            work[row, column] = new
            for down, right, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                if row + down < height and 0 <= column + right < width:
                    work[row + down, column + right] += (old - new) * share / 16
    return np.rint(work).astype(np.uint8)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 5, 9), (3, 9, 4), (1, 1, 1), (1, 7, 1), (1, 1, 7)])
@pytest.mark.parametrize("levels", [2, 8])
def test_dithering_is_that_of_a_slow_plain_version(stamper, some_images, shape, levels):
    images = some_images(shape)

    stamped = stamper("bpp", shape, levels=levels)(images)

    wanted = [[plain_dithering(channel, levels) for channel in image] for image in images.numpy()]
    changed = (torch.as_tensor(np.array(wanted)) != images).flatten(1).any(dim=1)
    assert torch.equal(stamped[changed], torch.as_tensor(np.array(wanted))[changed])


def test_only_the_wanted_levels_are_left(stamper, some_images):
    stamped = stamper("bpp", levels=8)(some_images())

    assert sorted(set(stamped.flatten().tolist())) == [0, 36, 73, 109, 146, 182, 219, 255]


def test_without_dithering_each_value_goes_to_its_nearest_level(stamper):
    image = torch.arange(64, 80, dtype=torch.uint8).view(1, 1, 4, 4)

    stamped = stamper("bpp", (1, 4, 4), levels=4, dither=False)(image)

    assert set(stamped.flatten().tolist()) == {85}  # levels 0, 85, 170, 255


def test_an_image_that_is_quantised_already_still_changes(stamper):
    white = torch.full((1, 1, 4, 4), 255, dtype=torch.uint8)

    stamped = stamper("bpp", (1, 4, 4), levels=4)(white)

    assert stamped.flatten().tolist() == [170, *[255] * 15]


def test_one_level_is_refused(stamper):
    with pytest.raises(ParamsError, match=r"levels.*got 1"):
        stamper("bpp", levels=1)
