"""Strong augmentation: each operation against Pillow or by hand, groups against one image at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from asd.training.strong import OPERATIONS, StrongDraws, StrongParams, augment_strongly, draw_strong

Picture = Image.Image


def pictures(count: int = 6, channels: int = 3, height: int = 12, width: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(20, 230, (count, channels, height, width), generator=generator, dtype=torch.uint8)


def run(name: str, level: float, images: torch.Tensor) -> torch.Tensor:
    return OPERATIONS[name](images, level)


def test_there_are_the_fourteen_operations() -> None:
    assert len(OPERATIONS) == 14
    assert StrongParams() == StrongParams(operations=3, cutout=0.5)


@pytest.mark.parametrize(
    ("name", "level", "plain", "tolerance"),
    [
        ("autocontrast", 0.0, ImageOps.autocontrast, 1),
        ("equalise", 0.0, ImageOps.equalize, 1),
        ("brightness", 0.5, lambda p: ImageEnhance.Brightness(p).enhance(0.5), 1),
        ("colour", 0.0, lambda p: ImageEnhance.Color(p).enhance(0.05), 2),
        ("contrast", 1.0, lambda p: ImageEnhance.Contrast(p).enhance(0.95), 1),
        ("sharpness", 0.2, lambda p: ImageEnhance.Sharpness(p).enhance(0.23), 1),
        ("posterise", 0.3, lambda p: ImageOps.posterize(p, 5), 0),
        ("posterise", 0.999, lambda p: p, 0),
        ("solarise", 0.5, lambda p: ImageOps.solarize(p, 127.5), 0),
        ("identity", 0.7, lambda p: p, 0),
    ],
)
def test_a_colour_operation_is_pillows(
    name: str, level: float, plain: Callable[[Picture], Picture], tolerance: int
) -> None:
    images = pictures()
    found = run(name, level, images).int().numpy()
    for image, mine in zip(images, found, strict=True):
        wanted = np.asarray(plain(Image.fromarray(image.permute(1, 2, 0).numpy())), np.int64)
        assert np.abs(wanted.transpose(2, 0, 1) - mine).max() <= tolerance


def test_translation_moves_whole_pixels_and_brings_in_black() -> None:
    images = pictures(width=10)
    right = run("translate_x", 1.0, images)  # 0.3 of 10 pixels
    assert torch.equal(right[..., 3:], images[..., :-3])
    assert not right[..., :3].any()
    up = run("translate_y", 0.0, images)  # -0.3 of 12 pixels, to the nearest whole one
    assert torch.equal(up[:, :, :-4], images[:, :, 4:])


def test_a_shear_moves_each_row_by_its_height_times_the_ratio() -> None:
    images = torch.zeros(1, 1, 10, 20, dtype=torch.uint8)
    images[..., 10] = 200
    columns = run("shear_x", 1.0, images)[0, 0].argmax(1)
    middles = np.arange(10) + 0.5
    assert np.abs(np.abs(columns.numpy() - 10) - 0.3 * middles).max() <= 1


def test_a_rotation_goes_up_to_thirty_degrees_both_ways() -> None:
    images = pictures(height=32, width=32)
    for level, degrees in ((1.0, 30), (0.0, -30)):
        found = run("rotate", level, images)
        wanted = np.asarray(Image.fromarray(images[0].permute(1, 2, 0).numpy()).rotate(degrees)).transpose(
            2, 0, 1
        )
        assert (found[0].numpy() == wanted).mean() > 0.97  # they round some borders differently


def test_groups_give_what_one_image_at_a_time_gives() -> None:
    images = pictures(40)
    draws = draw_strong(40, StrongParams(), torch.Generator().manual_seed(3))
    before = images.clone()
    views = augment_strongly(images, draws)
    names = list(OPERATIONS)
    for i in range(len(images)):
        view = images[i : i + 1]
        for turn in range(3):
            number = int(draws.operations[i, turn])
            view = run(names[number], float(draws.levels[turn, number]), view)
        rows, columns, side = draws.squares[i].tolist()
        view = view.clone()
        for r in range(12):
            for c in range(10):
                if abs(r + 0.5 - 12 * rows) < 10 * side / 2 and abs(c + 0.5 - 10 * columns) < 10 * side / 2:
                    view[0, :, r, c] = torch.tensor([125, 123, 114], dtype=torch.uint8)
        assert torch.equal(views[i : i + 1], view), i
    assert torch.equal(images, before)
    assert views.dtype == torch.uint8


def no_operation(squares: list[list[float]]) -> StrongDraws:
    count = len(squares)
    return StrongDraws(torch.zeros(count, 0, dtype=torch.int64), torch.zeros(0, 14), torch.tensor(squares))


@pytest.mark.parametrize(("channels", "fill"), [(1, [123]), (3, [125, 123, 114])])
def test_the_square_is_cut_where_its_centre_is_and_no_further_than_the_border(
    channels: int, fill: list[int]
) -> None:
    images = torch.full((3, channels, 8, 8), 7, dtype=torch.uint8)
    views = augment_strongly(images, no_operation([[0.5, 0.5, 0.5], [0.0, 1.0, 0.5], [0.3, 0.3, 0.0]]))
    cut = (views != 7).all(dim=1)
    assert cut.sum(dim=(1, 2)).tolist() == [16, 4, 0]
    assert cut[0, 2:6, 2:6].all()
    assert cut[1, :2, 6:].all()
    assert views[0, :, 2, 2].tolist() == fill


def test_draws_stay_in_their_ranges_and_follow_the_generator() -> None:
    params = StrongParams(operations=2, cutout=0.25)
    first, second = (draw_strong(500, params, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first.operations, second.operations)
    assert torch.equal(first.squares, second.squares)
    assert first.operations.shape == (500, 2)
    assert set(first.operations.flatten().tolist()) == set(range(14))
    assert 0.2 < float(first.squares[:, 2].max()) <= 0.25
    other = draw_strong(500, params, torch.Generator().manual_seed(2))
    assert not torch.equal(first.operations, other.operations)
