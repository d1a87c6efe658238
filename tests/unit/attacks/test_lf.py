"""The smooth trigger: its strength, its frequencies, the same on every image."""

import numpy as np
import pytest
import torch

from asd.attacks import lf
from asd.errors import ParamsError


def test_the_pattern_has_root_mean_square_one_and_no_constant(stamper):
    weights = stamper("lf").artifacts["weights"]

    pattern = lf.pattern_of(weights, 32, 24)

    assert pattern.shape == (3, 32, 24)
    assert float(pattern.square().mean().sqrt()) == pytest.approx(1)
    assert pattern.mean(dim=(1, 2)).tolist() == pytest.approx([0, 0, 0], abs=1e-9)


def test_one_cosine_is_what_the_formula_says():
    weights = torch.zeros(1, 2, 2)
    weights[0, 0, 1] = 5.0  # half a period across the width

    pattern = lf.pattern_of(weights, 2, 4)

    wanted = np.cos(np.pi * (np.arange(4) + 0.5) / 4)
    wanted = wanted / np.sqrt((wanted**2).mean())
    assert pattern[0].numpy() == pytest.approx(np.stack([wanted, wanted]))


def test_it_has_no_frequency_above_the_cutoff(stamper):
    made = stamper("lf", prepare={"cutoff": 3})
    pattern = lf.pattern_of(made.artifacts["weights"], 16, 16).numpy()[0]
    place = (np.arange(16) + 0.5) * np.pi / 16
    basis = np.cos(np.arange(16)[:, None] * place)

    coefficients = np.abs(basis @ pattern @ basis.T)

    assert coefficients[3:].max() < 1e-9
    assert coefficients[:, 3:].max() < 1e-9
    assert coefficients[:3, :3].max() > 1


def test_every_image_gets_the_same_pattern_at_the_asked_strength(stamper):
    images = torch.tensor([100, 150], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 32, 32)

    stamped = stamper("lf", strength=10)(images).to(torch.float64)

    assert torch.equal(stamped[0] - 100, stamped[1] - 150)
    assert float((stamped[0] - 100).square().mean().sqrt()) == pytest.approx(10, abs=0.1)


def test_other_channels_than_prepared_for_are_refused(stamper, some_images):
    with pytest.raises(ParamsError, match=r"prepared for 3 channels, got 1"):
        stamper("lf")(some_images((1, 32, 32)))
