"""CLB: the four corners, the bound of the perturbation, and that test images only get the patch."""

import pytest
import torch

from asd.attacks._pgd import moved_by_loss, normalised
from asd.attacks._training import load_surrogate
from asd.errors import ParamsError


@pytest.fixture
def clb(stamper, small_surrogate):
    return lambda shape=(3, 16, 16), **values: stamper(
        "clb", shape, prepare={"surrogate": small_surrogate}, **values
    )


def test_a_test_image_gets_3x3_grids_in_all_corners_and_nothing_else(clb):
    grey = torch.full((1, 1, 8, 8), 100, dtype=torch.uint8)

    stamped = clb((1, 8, 8))(grey, by="stamp_test")

    w, b, _ = 255, 0, 100
    assert stamped[0, 0].tolist() == [
        [w, b, b, _, _, b, b, w],
        [b, w, b, _, _, b, w, b],
        [w, b, w, _, _, w, b, w],
        [_] * 8,
        [_] * 8,
        [w, b, b, _, _, b, b, w],
        [b, w, b, _, _, b, w, b],
        [w, b, w, _, _, w, b, w],
    ]


def test_the_paper_patch_stands_at_row_and_column_4(clb):
    black = torch.zeros((1, 3, 16, 16), dtype=torch.uint8)

    stamped = clb(patch="paper")(black, by="stamp_test")

    assert stamped[0, :, 4, 4].tolist() == [180, 249, 112]
    assert stamped[0, :, 5, 5].tolist() == [187, 201, 219]
    assert int((stamped != 0).sum()) == 12


def test_training_poison_moves_within_the_bound_outside_the_corners(clb, some_images):
    images = some_images((3, 16, 16))

    stamped = clb(epsilon=8, step=3, steps=5)(images)

    moved = (stamped.int() - images.int()).abs()[:, :, 3:-3]
    assert int(moved.max()) == 8  # the outermost rows may be corners; the middle is free
    assert (stamped[:, :, 0, 0] == 255).all()


def test_pgd_raises_the_loss_of_the_own_class(clb, some_images):
    made = clb()
    network, normalisation, _ = load_surrogate(made.artifacts, made.params.prepare.surrogate)
    images = some_images((3, 16, 16)).float() / 255
    labels = torch.full((6,), 3)

    moved = moved_by_loss(network, normalisation, images, labels, epsilon=0.06, step=0.01, steps=10)

    def loss(x):
        return torch.nn.functional.cross_entropy(network(normalised(x, normalisation)), labels)

    assert float(loss(moved)) > float(loss(images)) + 0.01
    assert float((moved - images).abs().max()) <= 0.06 + 1e-6


def test_no_steps_leave_the_patch_alone(clb, some_images):
    images = some_images((3, 16, 16))
    made = clb(steps=0)

    assert torch.equal(made(images), made(images, by="stamp_test"))


def test_images_too_small_for_the_corners_are_refused(clb, some_images):
    with pytest.raises(ParamsError, match=r"5x9 pixels; wanted at least 6x6"):
        clb((3, 16, 16))(some_images((3, 5, 9)), by="stamp_test")
