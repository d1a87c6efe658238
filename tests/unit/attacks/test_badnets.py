"""BadNets: which values a patch changes, and which samples it is for."""

import numpy as np
import pytest
import torch

from asd.attacks import badnets
from asd.errors import ParamsError
from asd.params import check
from asd.rng import torch_generator

PAPER = {(4, 4): (180, 249, 112), (4, 5): (155, 50, 126), (5, 4): (234, 82, 68), (5, 5): (187, 201, 219)}


def params(**values):
    return check(badnets.Params, values, "attacks.badnets")


def stamp(images, **values):
    keys = [f"k{i}" for i in range(len(images))]
    return badnets.stamp(images, keys, {}, params(**values), torch_generator(0, "test"))


def test_the_paper_patch_changes_twelve_values_of_a_colour_image_and_nothing_else():
    images = torch.full((5, 3, 32, 32), 7, dtype=torch.uint8)

    stamped = stamp(images)

    changed = stamped != images
    assert changed.flatten(1).sum(dim=1).tolist() == [12] * 5
    where = {tuple(at) for at in changed.any(dim=1).nonzero()[:, 1:].tolist()}
    assert where == set(PAPER)


def test_the_paper_patch_has_the_colours_of_the_public_trigger():
    stamped = stamp(torch.zeros((1, 3, 32, 32), dtype=torch.uint8))

    assert {at: tuple(stamped[0, :, at[0], at[1]].tolist()) for at in PAPER} == PAPER


def test_the_paper_patch_is_its_luma_on_grey_images():
    stamped = stamp(torch.zeros((1, 1, 8, 8), dtype=torch.uint8))

    # 0.299 R + 0.587 G + 0.114 B, rounded: 212.8, 90.1, 125.9, 198.9
    assert stamped[0, 0, 4:6, 4:6].tolist() == [[213, 90], [126, 199]]
    assert int((stamped != 0).sum()) == 4


def test_a_value_of_the_image_that_equals_the_triggers_stays():
    images = torch.zeros((1, 3, 32, 32), dtype=torch.uint8)
    images[0, 0, 4, 4] = 180

    assert int((stamp(images) != images).sum()) == 11


@pytest.mark.parametrize(
    ("place", "rows", "columns"),
    [
        ({"row": 0, "column": 1}, slice(0, 3), slice(1, 4)),
        ({"row": -3, "column": -3}, slice(7, 10), slice(9, 12)),
    ],
)
def test_a_white_patch_stands_where_params_say(place, rows, columns):
    images = torch.zeros((2, 3, 10, 12), dtype=torch.uint8)

    stamped = stamp(images, patch="white", size=3, **place)

    assert (stamped[:, :, rows, columns] == 255).all()
    assert int((stamped != 0).sum()) == 2 * 3 * 9


def test_a_white_image_gets_a_white_patch_and_one_value_less():
    images = torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)
    images[1, :, 4, 4] = 254

    stamped = stamp(images, patch="white")

    assert (stamped[0] != 255).nonzero().tolist() == [[0, 0, 0]]
    assert int(stamped[0, 0, 0, 0]) == 254
    assert (stamped[1] == 255).all()  # the patch shows: nothing else is touched


def test_a_checker_patch_writes_its_black_values_too():
    images = torch.full((1, 1, 6, 6), 90, dtype=torch.uint8)

    stamped = stamp(images, patch="checker", size=3, row=0, column=0)

    assert stamped[0, 0, :3, :3].tolist() == [[255, 0, 255], [0, 255, 0], [255, 0, 255]]
    assert int((stamped != 90).sum()) == 9


@pytest.mark.parametrize("values", [{}, {"patch": "white", "size": 3, "row": -6, "column": 0}])
def test_a_patch_outside_the_image_is_an_error_that_names_both(values):
    with pytest.raises(ParamsError, match=r"patch at row -?\d, column \d does not fit into images of 5x5"):
        stamp(torch.zeros((1, 3, 5, 5), dtype=torch.uint8), **values)


def test_the_paper_patch_has_one_size():
    with pytest.raises(ParamsError, match=r"attacks.badnets: the paper's patch is 2x2, got size 3"):
        params(size=3)


@pytest.mark.parametrize("value", [True, False])
def test_a_target_label_is_no_boolean(value):
    word = str(value).lower()
    with pytest.raises(ParamsError, match=rf"badnets\.target_label: a label is a whole number, not {word}"):
        params(target_label=value)


def test_a_misspelt_param_is_an_error_with_the_nearest_word():
    with pytest.raises(ParamsError, match="did you mean 'target_label'"):
        params(target_lable=3)


def test_the_attack_success_set_leaves_the_target_class_out():
    labels = np.repeat(np.arange(10), 1000)

    counts = badnets.counts_for_asr(labels, params())

    assert int(counts.sum()) == 9000
    assert not counts[labels == 3].any()


def test_every_poisoned_sample_gets_the_target_label():
    assert badnets.relabel(np.array([0, 3, 9]), params(target_label=5), 10).tolist() == [5, 5, 5]
