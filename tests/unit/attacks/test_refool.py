"""Refool: choices hang on the key, ghosts and blur do what the formula says, photographs are found."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from asd.errors import DataError, ParamsError
from asd.sources import describe


def test_the_choices_hang_on_the_key_and_not_on_the_batch(stamper, some_images):
    made = stamper("refool")
    images = some_images()

    whole = made(images, keys=list("abcdef"))
    single = torch.cat([made(images[i : i + 1], keys=["abcdef"[i]]) for i in range(6)])
    others = made(images, keys=list("ghijkl"))

    assert torch.equal(whole, single)
    assert not torch.equal(whole, others)


def test_no_images_are_stamped_as_none(stamper):
    assert stamper("refool")(torch.zeros((0, 3, 32, 32), dtype=torch.uint8)).shape == (0, 3, 32, 32)


def test_a_black_reflection_darkens_by_the_weight_of_the_background(stamper):
    made = stamper("refool", least_background=0.7, most_background=0.7)
    made.artifacts["reflections"] = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images = torch.full((8, 3, 32, 32), 200, dtype=torch.uint8)

    stamped = made(images)

    wanted = round(200 * 0.7 ** (1 / 2.2))  # the weight is that of linear light
    assert set(stamped.flatten().tolist()) == {wanted}


def test_a_ghost_of_an_even_layer_is_the_layer(stamper):
    made = stamper("refool", ghost=1.0, least_background=0.6, most_background=0.6)
    made.artifacts["reflections"] = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    images = torch.full((4, 3, 32, 32), 100, dtype=torch.uint8)

    stamped = made(images)

    linear = 0.6 * (100 / 255) ** 2.2 + 0.4
    assert set(stamped.flatten().tolist()) == {round(255 * linear ** (1 / 2.2))}


def test_a_ghost_shows_an_edge_twice(stamper):
    made = stamper("refool", ghost=1.0)
    layer = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    layer[..., 10] = 255
    made.artifacts["reflections"] = layer
    black = torch.zeros(20, 1, 32, 32, dtype=torch.uint8)

    stamped = made(black)

    for image in stamped[:, 0]:
        bright = image[16].nonzero().flatten().tolist()
        assert len(bright) == 2
        assert bright[0] == 10
        assert 3 <= bright[1] - 10 <= 8


def test_out_of_focus_never_darkens_below_the_background(stamper, some_images):
    made = stamper("refool", ghost=0.0, least_background=0.8, most_background=0.8)
    images = some_images()

    stamped = made(images)

    floor = torch.floor(images.double() * 0.8 ** (1 / 2.2) - 0.5)
    assert (stamped.double() >= floor).all()


def test_photographs_are_read_from_a_folder_in_the_colours_of_the_data(stamper, tmp_path):
    (tmp_path / "photos").mkdir()
    for number, value in enumerate((10, 200)):
        Image.new("RGB", (40, 30), (value,) * 3).save(tmp_path / "photos" / f"{number}.png")

    sha256 = describe(tmp_path / "photos")["content_sha256"]

    made = stamper("refool", (1, 8, 12), prepare={"photographs": "photos", "photographs_sha256": sha256})

    reflections = made.artifacts["reflections"]
    assert reflections.shape == (2, 1, 8, 12)
    assert [int(np.unique(r)[0]) for r in reflections] == [10, 200]


def test_a_missing_or_empty_folder_of_photographs_is_named(stamper, tmp_path):
    with pytest.raises(ParamsError, match=r"there is no folder .*nowhere"):
        stamper("refool", prepare={"photographs": "nowhere"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParamsError, match=r"empty holds no picture"):
        stamper("refool", prepare={"photographs": "empty"})


def test_a_photograph_that_the_hash_does_not_cover_is_not_taken(stamper, tmp_path):
    (tmp_path / "photos" / ".cache").mkdir(parents=True)
    for name in ("a.png", ".b.png", ".cache/c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name)
    given = {"photographs": "photos", "photographs_sha256": describe(tmp_path / "photos")["content_sha256"]}

    assert len(stamper("refool", prepare=given).artifacts["reflections"]) == 1


def test_a_pipe_among_photographs_is_refused_unread(stamper, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "a.png")
    os.mkfifo(tmp_path / "photos" / "notes")

    with pytest.raises(DataError, match=r"prepare.photographs: .*notes is no regular file"):
        stamper("refool", prepare={"photographs": "photos", "photographs_sha256": "0" * 64})


def test_weights_the_wrong_way_round_are_refused(stamper):
    with pytest.raises(ParamsError, match=r"least_background 0.9 is above most_background 0.5"):
        stamper("refool", least_background=0.9, most_background=0.5)


def test_other_photographs_than_the_hash_says_are_refused(stamper, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "a.png")

    with pytest.raises(ParamsError, match=r"needs its hash beside it: photographs_sha256: [0-9a-f]{64}"):
        stamper("refool", prepare={"photographs": "photos"})
    with pytest.raises(DataError, match=r"has SHA-256 [0-9a-f]{64}, prepare.photographs_sha256 says 0000"):
        stamper("refool", prepare={"photographs": "photos", "photographs_sha256": "0" * 64})
