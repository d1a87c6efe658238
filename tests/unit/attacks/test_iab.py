"""The input-aware attack: the mask's curve, the loss, and how pattern and mask are put together."""

import pytest
import torch

from asd.attacks import iab
from asd.attacks._iab_networks import Generator, distance, diversity_loss, near_binary
from asd.errors import ParamsError
from asd.params import check
from asd.registry import Registry


@pytest.fixture
def made(stamper, small_surrogate):
    prepare = {"width": 2, "steps": 2, "mask_epochs": 1, "classifier": small_surrogate}
    return lambda **values: stamper("iab", (3, 16, 16), prepare=prepare, **values)


def test_the_mask_curve_pushes_values_to_0_and_1():
    found = near_binary(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))

    assert found.tolist() == pytest.approx([0, 0.0000454, 0.5, 0.9999546, 1], abs=1e-6)


def test_the_diversity_loss_by_hand():
    images, others = torch.zeros(2, 1, 1, 2), torch.tensor([[3.0, 4.0], [1.0, 1.0]]).view(2, 1, 1, 2)
    made_here, made_there = torch.zeros(2, 1, 1, 2), torch.tensor([[1.0, 1.0], [2.0, 2.0]]).view(2, 1, 1, 2)

    assert distance(images, others).tolist() == pytest.approx([12.5**0.5, 1])
    assert float(diversity_loss(images, others, made_here, made_there)) == pytest.approx(
        (12.5**0.5 / 1 + 1 / 2) / 2, rel=1e-5
    )


def test_the_generator_keeps_the_size_and_stays_between_0_and_1():
    with torch.no_grad():
        found = Generator(3, 1, width=4, steps=3)(torch.randn(2, 3, 24, 40) * 9)

    assert found.shape == (2, 1, 24, 40)
    assert 0 <= float(found.min()) < float(found.max()) <= 1


def test_pattern_and_mask_are_those_of_the_image_itself(made, some_images):
    one = made()
    images = some_images((3, 16, 16))
    artifacts, prepare = one.artifacts, one.params.prepare
    mask = iab._load("mask", artifacts, prepare, outputs=1)
    pattern = iab._load("pattern", artifacts, prepare, outputs=3)
    values = images.float() / 255
    seen = (values - artifacts["mean"].view(1, 3, 1, 1)) / artifacts["std"].view(1, 3, 1, 1)

    stamped = one(images)

    with torch.no_grad():
        m = near_binary(mask(seen))
        wanted = ((values + (pattern(seen) - values) * m) * 255).round().clamp(0, 255)
    assert int((stamped.float() - wanted).abs().max()) <= 1  # lerp rounds otherwise in the last bit


def test_a_decoy_carries_the_trigger_of_another_picture(made, some_images):
    one = made(decoy_fraction=0.1)
    images = some_images((3, 16, 16))
    one.artifacts["cross"] = images[:1]

    decoys, poisoned = one(images, by="stamp_decoy"), one(images)

    assert torch.equal(decoys[0], poisoned[0])  # its own trigger, by chance
    assert all(not torch.equal(decoys[i], poisoned[i]) for i in range(1, 6))


def test_the_other_picture_of_a_decoy_hangs_on_its_key(made, some_images):
    one = made(decoy_fraction=0.1)
    images, keys = some_images((3, 16, 16)), list("abcdef")

    whole = one(images, keys, by="stamp_decoy").int()
    some = one(images[[4, 1, 3]], ["e", "b", "d"], by="stamp_decoy").int()

    assert int((some - whole[[4, 1, 3]]).abs().max()) <= 1  # networks round otherwise in another batch


def test_every_picture_is_the_other_one_equally_often(made, monkeypatch):
    one = made()
    count = len(one.artifacts["cross"])
    one.artifacts["cross"] = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    monkeypatch.setattr(iab, "_stamped", lambda images, sources, *_: sources)

    rows = one(torch.zeros((40 * count, 1, 1, 1), dtype=torch.uint8), by="stamp_decoy").flatten()

    times = torch.bincount(rows.int(), minlength=count)
    assert len(times) == count
    assert 40 - 5 * 6.4 < int(times.min()) <= int(times.max()) < 40 + 5 * 6.4  # 40 each, spread 6.3


@pytest.mark.parametrize("name", ["iab", "adaptive_gradient"])
def test_a_prepared_label_is_no_boolean(name):
    attack = Registry("attacks").get(name)
    with pytest.raises(ParamsError, match=rf"{name}\.prepare: target_label: .* whole number, not true"):
        check(attack.Params, {"target_label": 1, "prepare": {"target_label": True}}, name)


def test_sides_that_cannot_be_halved_are_refused(made, some_images):
    with pytest.raises(ParamsError, match=r"multiples of 4, got 9x16"):
        made()(some_images((3, 9, 16)))


def test_a_target_that_the_data_do_not_have_is_refused(stamper, small_surrogate):
    prepare = {"width": 2, "classifier": small_surrogate, "target_label": 12}

    with pytest.raises(ParamsError, match=r"target_label 12: there are 10 classes"):
        stamper("iab", (3, 16, 16), target_label=12, prepare=prepare)
