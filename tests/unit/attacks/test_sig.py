"""SIG: the values of the wave, and where they are clipped."""

import pytest
import torch

from asd.errors import ParamsError


def test_the_wave_has_its_amplitude_and_its_periods(stamper):
    grey = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)

    stamped = stamper("sig", (3, 8, 8), amplitude=20, frequency=2)(grey)

    row = [100, 120, 100, 80, 100, 120, 100, 80]  # sin of 0, 90, 180, 270 degrees and again
    assert stamped.tolist() == [[[row] * 8] * 3]


def test_values_are_clipped_and_not_wrapped(stamper):
    images = torch.tensor([250, 5], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 4, 4)

    stamped = stamper("sig", (1, 4, 4), amplitude=20, frequency=1)(images)

    assert stamped[0, 0, 0].tolist() == [250, 255, 250, 230]
    assert stamped[1, 0, 0].tolist() == [5, 25, 5, 0]


@pytest.mark.parametrize(
    ("width", "values"),
    [
        (32, {"frequency": 16}),
        (32, {"frequency": 32}),
        (12, {}),
        (6, {}),
        (4, {}),
        (32, {"frequency": 1e-5}),  # at most 40 * sin(2 pi 31e-5 / 32) = 0.0024
        (32, {"amplitude": 0.49}),
    ],
)
def test_a_wave_that_is_zero_in_every_column_is_refused(stamper, width, values):
    named = {"frequency": 6, "amplitude": 40} | values
    wave = f"frequency {named['frequency']:g} and amplitude {named['amplitude']:g}"

    with pytest.raises(ParamsError, match=rf"{wave} .* width {width} \(4x{width}\)"):
        stamper("sig", (3, 4, width), **values)(torch.zeros((1, 3, 4, width), dtype=torch.uint8))


def test_a_wave_of_one_grey_value_is_stamped(stamper):
    grey = torch.full((1, 1, 4, 4), 100, dtype=torch.uint8)

    stamped = stamper("sig", (1, 4, 4), amplitude=0.6, frequency=1)(grey)

    assert stamped[0, 0, 0].tolist() == [100, 101, 100, 99]


def test_it_is_clean_label_and_counts_within_the_target_class(stamper):
    made = stamper("sig")

    assert made.attack.changes_labels is False
    assert (made.params.of, made.params.poison_fraction) == ("eligible", 0.8)


def test_an_amplitude_out_of_range_is_refused(stamper):
    with pytest.raises(ParamsError, match=r"amplitude.*got 300"):
        stamper("sig", amplitude=300)
