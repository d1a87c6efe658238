"""Batched crops and flips against torch's own padding, image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from asd.params import AugmentParams
from asd.training.augment import Draws, crop_and_flip, draw
from asd.training.images import ImageStore, Normalisation, measure_normalisation


def slow(images: torch.Tensor, draws: Draws, params: AugmentParams) -> torch.Tensor:
    height, width = images.shape[2:]
    mode = "reflect" if params.pad_mode == "reflect" else "constant"
    padded = functional.pad(images.float(), [params.pad] * 4, mode=mode).to(torch.uint8)
    views = []
    for i in range(len(images)):
        r, c = int(draws.rows[i]), int(draws.columns[i])
        view = padded[i, :, r : r + height, c : c + width]
        views.append(view.flip(2) if draws.flips[i] else view)
    return torch.stack(views)


@pytest.mark.parametrize("mode", ["reflect", "zero"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 9, 6)])
def test_views_equal_padding_cropping_and_flipping_one_by_one(mode: str, shape: tuple[int, int, int]) -> None:
    params = AugmentParams(pad=3, pad_mode=mode)  # type: ignore[arg-type]
    images = torch.randint(
        0, 256, (20, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    draws = draw(20, params, torch.Generator().manual_seed(1))
    views = crop_and_flip(images, draws, params)
    assert torch.equal(views, slow(images, draws, params))
    assert views.dtype == torch.uint8


def test_no_padding_and_no_flip_leaves_images_alone() -> None:
    params = AugmentParams(pad=0, flip=False)
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    assert torch.equal(crop_and_flip(images, draw(2, params, torch.Generator()), params), images)


def test_padding_wider_than_the_image_is_refused() -> None:
    params = AugmentParams(pad=4)
    draws = draw(1, params, torch.Generator())
    with pytest.raises(ValueError, match=r"augment.pad 4 with reflect needs images larger than 4, got 4x4"):
        crop_and_flip(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), draws, params)


def test_normalisation_is_measured_over_all_pixels_of_a_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 5, 5)).astype(np.uint8)
    measured = measure_normalisation(images, chunk=7)
    np.testing.assert_allclose(measured.mean, (images / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(measured.std, (images / 255).std(axis=(0, 2, 3)), rtol=1e-9)


def test_plain_batches_are_normalised_images() -> None:
    images = np.array([[[[0, 255]]], [[[51, 102]]]], dtype=np.uint8)
    store = ImageStore(images, Normalisation((0.2,), (0.4,)), AugmentParams(), torch.device("cpu"))
    batch = store.plain(np.array([1, 0]))
    np.testing.assert_allclose(batch.flatten().numpy(), [0.0, 0.5, -0.5, 2.0], atol=1e-6)
