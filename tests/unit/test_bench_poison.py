"""`asd bench poison` on a small scale; how long anything takes is not asserted."""

import pytest

from asd.bench.poison import measure
from asd.errors import ParamsError


def test_the_overlay_does_not_grow_with_the_training_set(tmp_path):
    found = measure(["badnets"], [1000, 3000], 50, lambda text: None, tmp_path)
    small, large = found.planted
    assert (small.images, large.images) == (1000, 3000)
    assert small.poisoned == large.poisoned == 50
    assert large.overlay_bytes == pytest.approx(small.overlay_bytes, rel=0.02)
    assert large.truth_bytes == pytest.approx(small.truth_bytes, rel=0.2)
    assert list(tmp_path.iterdir()) == []


def test_a_speed_is_that_of_the_attack_and_of_a_copy(tmp_path):
    (speed,) = measure(["badnets"], [], 1, lambda text: None, tmp_path).speeds
    assert speed.attack == "badnets"
    assert speed.copies > 0
    assert speed.is_fast is (speed.images_per_second >= 20_000)


def test_an_unknown_attack_is_named(tmp_path):
    with pytest.raises(ParamsError, match="no attack 'badnet'; did you mean 'badnets'"):
        measure(["badnet"], [], 1, lambda text: None, tmp_path)
