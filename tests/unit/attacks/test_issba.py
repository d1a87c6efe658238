"""The sample-specific attack: the secret, the residual, and a decoder that starts straight."""

import pytest
import torch

from asd.attacks._issba_networks import Decoder, Encoder
from asd.errors import ParamsError


@pytest.fixture
def made(stamper):
    return lambda **prepare: stamper(
        "issba", (3, 16, 16), prepare={"width": 2, "epochs": 1, "threads": 1, "bits": 7, **prepare}
    )


def test_the_residual_has_the_shape_of_the_image_and_differs_with_image_and_secret():
    torch.manual_seed(0)
    encoder = Encoder(3, 32, 48, secret=5, wide=4)
    images = torch.rand(2, 3, 32, 48)
    ones, zeros = torch.ones(2, 5), torch.zeros(2, 5)

    with torch.no_grad():
        found, other = encoder(ones, images), encoder(zeros, images)

    assert found.shape == images.shape
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found, other)


def test_the_decoder_begins_without_a_turn():
    decoder = Decoder(1, 16, 16, secret=3, wide=2)
    decoder.start_straight()

    turn = decoder.angles(decoder.turn(decoder.locate(torch.rand(2, 1, 16, 16))))

    assert turn.tolist() == [[1, 0, 0, 0, 1, 0]] * 2
    assert decoder(torch.rand(2, 1, 16, 16)).shape == (2, 3)


def test_one_secret_of_bits_for_all(made):
    secret = made().artifacts["secret"]

    assert secret.shape == (7,)
    assert set(secret.tolist()) <= {0.0, 1.0}


def test_an_encoder_without_residual_moves_one_value(made, some_images):
    one = made()
    for name in ("encoder|residual.weight", "encoder|residual.bias"):
        one.artifacts[name] = torch.zeros_like(one.artifacts[name])
    images = some_images((3, 16, 16))

    assert (one(images) != images).flatten(1).sum(dim=1).tolist() == [1] * 6


def test_a_constant_residual_is_added_and_clipped(made, some_images):
    one = made()
    one.artifacts["encoder|residual.weight"] = torch.zeros_like(one.artifacts["encoder|residual.weight"])
    one.artifacts["encoder|residual.bias"] = torch.full((3,), 20 / 255)
    images = some_images((3, 16, 16))

    assert torch.equal(one(images), (images.int() + 20).clamp(max=255).to(torch.uint8))


def test_images_of_another_size_are_refused(made, some_images):
    with pytest.raises(ParamsError, match=r"made for 16x16 pixels, got 32x16"):
        made()(some_images((3, 32, 16)))


def test_sides_that_cannot_be_halved_four_times_are_refused(stamper):
    with pytest.raises(ParamsError, match=r"multiples of 16, got 24x24"):
        stamper("issba", (3, 24, 24))
