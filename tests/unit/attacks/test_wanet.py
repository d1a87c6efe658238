"""WaNet: statistics of the grid (facts 4.3), and the warp against a slow plain version."""

import numpy as np
import pytest
import torch

from asd.attacks import wanet


def test_the_control_grid_has_a_mean_absolute_value_of_one(stamper):
    control = stamper("wanet", prepare={"k": 4}).artifacts["control"]

    assert control.shape == (1, 2, 4, 4)
    assert float(control.abs().mean()) == pytest.approx(1)


def test_the_shift_of_the_cifar_grid_is_about_a_fifth_of_a_pixel(stamper):
    control = stamper("wanet").artifacts["control"]
    grid = wanet.warp_grid(control, 0.5, 32, 32)
    identity = wanet.warp_grid(torch.zeros_like(control), 0.5, 32, 32)

    shift = (grid - identity).abs() * 32

    assert 0.25 < float(shift.mean()) < 0.55  # the public grid has 0.38, which is 0.19 pixels
    assert float(shift.max()) < 1.3  # and at most 0.93; bicubic overshoots


def test_a_field_at_full_resolution_is_not_smoothed(stamper):
    control = stamper("wanet", prepare={"k": 224}).artifacts["control"]

    grid = wanet.warp_grid(control, 1.0, 224, 224)

    identity = wanet.warp_grid(torch.zeros_like(control), 1.0, 224, 224)
    shift = (grid - identity) * 224
    assert float(shift.abs().mean()) == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(shift[0, :, :-1, 0].flatten(), shift[0, :, 1:, 0].flatten())[0, 1]) < 0.05


def test_no_shift_leaves_all_but_one_value(stamper, some_images):
    made = stamper("wanet")
    made.artifacts = {"control": torch.zeros(1, 2, 4, 4)}
    images = some_images()

    stamped = made(images)

    assert (stamped != images).flatten(1).sum(dim=1).tolist() == [1] * len(images)


def test_the_warp_is_that_of_a_slow_plain_version(stamper, some_images):
    made = stamper("wanet", (1, 8, 8), s=2)
    images = some_images((1, 8, 8), count=1)

    stamped = made(images)[0, 0].numpy()

    grid = wanet.warp_grid(made.artifacts["control"], 2, 8, 8)[0].numpy()
    padded = np.pad(images[0, 0].numpy().astype(np.float64), 1)
    for row in range(8):
        for column in range(8):
            x, y = (grid[row, column] + 1) / 2 * 7
            left, top = int(np.floor(x)), int(np.floor(y))
            right, down = x - left, y - top
            four = padded[top + 1 : top + 3, left + 1 : left + 3]
            value = np.array([1 - down, down]) @ four @ np.array([1 - right, right])
            assert abs(float(stamped[row, column]) - value) <= 0.51


def test_the_noise_of_a_decoy_hangs_on_its_key_and_not_on_its_batch(stamper, some_images):
    images, keys = some_images((3, 32, 32)), list("abcdef")
    made = stamper("wanet", decoy_fraction=0.1)

    whole = made(images, keys, by="stamp_decoy")
    some = made(images[[4, 1]], ["e", "b"], by="stamp_decoy")
    others = made(images, list("bcdefa"), by="stamp_decoy")

    assert torch.equal(some, whole[[4, 1]])
    assert not (whole == others).flatten(1).all(dim=1).any()
    assert not torch.equal(whole, made(images, keys, seed=6, by="stamp_decoy"))


def test_the_noise_of_decoys_is_uniform_over_a_pixel_either_way(stamper, monkeypatch):
    """U(-1, 1) / H for each pixel, x and y (facts 4.3): seen as shifts of the grid that is sampled."""
    made = stamper("wanet", decoy_fraction=0.1)
    made.artifacts = {"control": torch.zeros(1, 2, 4, 4)}
    grids = []
    monkeypatch.setattr(wanet, "_sample", lambda images, grid: grids.append(grid) or images.clone())

    made(torch.zeros((20, 1, 32, 32), dtype=torch.uint8), by="stamp_decoy")

    identity = wanet.warp_grid(torch.zeros(1, 2, 4, 4), 0.5, 32, 32)
    inside = slice(2, -2)  # the others are clamped to the image
    noise = ((grids[0] - identity) * 32)[:, inside, inside]
    assert float(noise.abs().max()) == pytest.approx(1, abs=1e-3)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)  # 31,360 draws: 4 standard errors are 0.013
    assert float(noise.square().mean()) == pytest.approx(1 / 3, abs=0.01)
    assert abs(float((noise[..., 0] * noise[..., 1]).mean())) < 0.02
    assert abs(float((noise[:-1] * noise[1:]).mean())) < 0.02


def test_decoys_are_noisy_and_each_is_different(stamper, some_images):
    one = some_images((3, 32, 32), count=1).expand(4, -1, -1, -1)
    made = stamper("wanet", decoy_fraction=0.1)

    decoys, poisoned = made(one, by="stamp_decoy"), made(one)

    assert len({decoy.numpy().tobytes() for decoy in decoys}) == 4
    assert len({image.numpy().tobytes() for image in poisoned}) == 1
