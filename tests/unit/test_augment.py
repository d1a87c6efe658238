"""Batched crops and flips against torch's own padding, image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from asd.params import AugmentParams
from asd.training.augment import Draws, crop_and_flip, draw, resized_boxes
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


RESIZED = AugmentParams(resized_crop=0.2)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 30)])
def test_resized_boxes_lie_inside_and_have_the_areas_and_aspects_of_torchvision(
    height: int, width: int
) -> None:
    tries = draw(5000, RESIZED, torch.Generator().manual_seed(0)).tries
    assert tries is not None
    tops, lefts, heights, widths = resized_boxes(tries, height, width).T
    assert bool(((tops >= 0) & (tops + heights <= height)).all())
    assert bool(((lefts >= 0) & (lefts + widths <= width)).all())
    from torchvision.transforms import RandomResizedCrop

    picture = torch.zeros(1, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [RandomResizedCrop.get_params(picture, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)]
    for mine, wanted in (
        (heights * widths, np.array([h * w for _, _, h, w in theirs])),
        (widths / heights, np.array([w / h for _, _, h, w in theirs])),
        ((2 * tops + heights) / height, np.array([(2 * t + h) / height for t, _, h, _ in theirs])),
    ):
        assert float(mine.mean()) == pytest.approx(wanted.mean(), rel=0.03)
        assert float(mine.std()) == pytest.approx(wanted.std(), rel=0.06)


def test_a_try_that_does_not_fit_gives_way_to_the_next_and_at_last_to_the_whole_image() -> None:
    wide = [np.log(4 / 3), 1.0, 0.0, 0.0]  # as large as the image, but wider
    square = [0.0, 0.25, 0.999, 0.5]
    tries = torch.tensor([[wide, square], [wide, wide]], dtype=torch.float32)
    assert resized_boxes(tries, 8, 8).tolist() == [[4, 2, 4, 4], [0, 0, 8, 8]]


def test_a_resized_crop_is_the_box_enlarged_by_bicubic_interpolation() -> None:
    generator = torch.Generator().manual_seed(0)
    images = functional.interpolate(
        torch.randint(0, 256, (12, 3, 6, 6), generator=generator).float(), size=(24, 24), mode="bilinear"
    ).to(torch.uint8)
    draws = draw(12, RESIZED, generator)
    assert draws.tries is not None
    views = crop_and_flip(images, draws, RESIZED)
    assert views.dtype == torch.uint8
    assert {bool(flip) for flip in draws.flips} == {True, False}
    for i, box in enumerate(resized_boxes(draws.tries, 24, 24).int().tolist()):
        top, left, height, width = box
        part = images[i : i + 1, :, top : top + height, left : left + width].float()
        wanted = functional.interpolate(part, size=(24, 24), mode="bicubic", align_corners=False)
        wanted = wanted.flip(3) if draws.flips[i] else wanted
        inner = (slice(None), slice(4, -4), slice(4, -4))  # the border also sees what lies outside of the box
        assert (views[i].float() - wanted[0].clamp(0, 255))[inner].abs().max() <= 1


def test_the_whole_image_is_left_as_it_is() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    draws = draw(2, AugmentParams(resized_crop=1.0, flip=False), torch.Generator())
    whole = Draws(draws.rows, draws.columns, draws.flips, torch.tensor([[[0.0, 1.0, 0.0, 0.0]]] * 2))
    assert torch.equal(crop_and_flip(images, whole, RESIZED), images)


def test_without_resized_crops_the_draws_are_what_they_were() -> None:
    first, second = torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
    plain, resized = draw(6, AugmentParams(), first), draw(6, RESIZED, second)
    assert plain.tries is None
    assert torch.equal(plain.rows, resized.rows)
    assert torch.equal(plain.flips, resized.flips)
    part = resized.part(2, 5)
    assert part.tries is not None
    assert torch.equal(part.tries, resized.tries[2:5])
