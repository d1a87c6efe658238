"""The adaptive attack: its objective, its bound, and that the search makes the objective small."""

import numpy as np
import pytest
import torch

from asd.attacks import adaptive_gradient
from asd.attacks._training import load_surrogate, train_surrogate
from asd.errors import ParamsError


@pytest.fixture
def adaptive(stamper, small_surrogate):
    def make(shape=(3, 16, 16), **prepare):
        section = {"surrogate": small_surrogate, "iterations": 30, "batch": 20, "step": 0.01, **prepare}
        return stamper("adaptive_gradient", shape, prepare=section)

    return make


def value_of(made, delta, images):
    prepare = made.params.prepare
    network, normalisation, _ = load_surrogate(made.surrogate, prepare.surrogate)
    weights = [w for name in network.last_layers(3) for w in network.get_submodule(name).parameters()]
    for weight in weights:
        weight.requires_grad_(True)
    found = adaptive_gradient.objective(network, normalisation, images.float() / 255, delta, prepare, weights)
    return float(found.detach())


def test_the_objective_is_the_squared_norm_of_the_gradient_of_the_last_layers(
    adaptive, some_images, surrogate_of
):
    made = adaptive()
    made.surrogate = surrogate_of(made)
    images = some_images((3, 16, 16))
    network, normalisation, _ = load_surrogate(made.surrogate, made.params.prepare.surrogate)
    for weight in network.parameters():
        weight.requires_grad_(True)
    mean = torch.tensor(normalisation.mean).view(1, 3, 1, 1)
    std = torch.tensor(normalisation.std).view(1, 3, 1, 1)
    logits = network((images.float() / 255 - mean) / std)
    torch.nn.functional.cross_entropy(logits, torch.full((6,), 3)).backward()

    last = [w for part in (network.layer1, network.layer2, network.head) for w in part.parameters()]
    by_hand = sum(float(weight.grad.square().sum()) for weight in last)

    assert value_of(made, torch.zeros(3, 16, 16), images) == pytest.approx(by_hand, rel=1e-4)


def test_the_pattern_found_has_a_smaller_gradient_than_none(adaptive, some_images, surrogate_of):
    made = adaptive()
    made.surrogate = surrogate_of(made)
    images = some_images((3, 16, 16), count=40)

    found = value_of(made, made.artifacts["delta"], images)

    assert found < 0.8 * value_of(made, torch.zeros(3, 16, 16), images)


def test_the_pattern_keeps_its_bound_and_is_added(adaptive, some_images):
    made = adaptive(bound=0.04)
    delta = made.artifacts["delta"]
    images = some_images((3, 16, 16))

    stamped = made(images)

    assert float(delta.abs().max()) <= 0.04
    wanted = np.clip(np.rint(images.numpy() + delta.numpy() * 255), 0, 255)
    assert stamped.numpy().tolist() == wanted.astype(np.uint8).tolist()


def test_images_of_another_size_are_refused(adaptive, some_images):
    with pytest.raises(ParamsError, match=r"made for 16x16 pixels, got 9x14"):
        adaptive()(some_images((3, 9, 14)))


def test_two_targets_are_refused(stamper):
    with pytest.raises(ParamsError, match=r"target_label 5 and prepare.target_label 3 differ"):
        stamper("adaptive_gradient", target_label=5)


@pytest.fixture
def surrogate_of(random_pictures):
    """The same classifier that the attack trained, once more."""
    return lambda made: train_surrogate(random_pictures, made.params.prepare.surrogate, made.preparation)
