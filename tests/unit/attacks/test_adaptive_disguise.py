"""The disguise: towards the target within its bound, and the patch alone on test images."""

import pytest
import torch

from asd.attacks._pgd import moved_by_loss, normalised
from asd.attacks._training import load_surrogate


@pytest.fixture
def disguise(stamper, small_surrogate):
    return lambda **values: stamper(
        "adaptive_disguise", (3, 16, 16), prepare={"surrogate": small_surrogate}, **values
    )


def test_a_test_image_gets_the_checker_alone(disguise):
    grey = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)

    stamped = disguise()(grey, by="stamp_test")

    assert stamped[0, 0, 4:7, 4:7].tolist() == [[255, 0, 255], [0, 255, 0], [255, 0, 255]]
    assert int((stamped != 100).sum()) == 27


def test_training_poison_moves_within_the_bound_outside_the_patch(disguise, some_images):
    images = some_images((3, 16, 16))

    stamped = disguise(epsilon=6, step=2, steps=5)(images)

    moved = (stamped.int() - images.int()).abs()
    moved[:, :, 4:7, 4:7] = 0
    assert int(moved.max()) == 6


def test_pgd_towards_a_class_lowers_its_loss(disguise, some_images):
    made = disguise()
    network, normalisation, _ = load_surrogate(made.artifacts, made.params.prepare.surrogate)
    images, labels = some_images((3, 16, 16)).float() / 255, torch.full((6,), 3)

    def loss(x):
        return float(torch.nn.functional.cross_entropy(network(normalised(x, normalisation)), labels))

    moved = moved_by_loss(
        network, normalisation, images, labels, epsilon=0.06, step=0.01, steps=10, towards=True
    )

    assert loss(moved) < loss(images) - 0.01
