"""Blend: the arithmetic of every value, where the trigger comes from, and what is refused."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from asd.attacks import Preparation, blend
from asd.errors import DataError, ParamsError
from asd.params import check
from asd.progress import Reporter
from asd.rng import torch_generator
from asd.types import DataView, SampleIndex


def params(**values):
    return check(blend.Params, values, "attacks.blend")


def view_of(shape):
    index = SampleIndex(("k0",), np.zeros(1, np.int64), ("0" * 64,), ("test",))
    return DataView(index, np.zeros((1, *shape), np.uint8), ("a", "b"), trusted=True)


def prepare(shape, seed=0, **values):
    preparation = Preparation(seed, Reporter("prepare", "x"), Path("scratch"), Path())
    return blend.prepare(view_of(shape), params(prepare=values).prepare, preparation)["trigger"]


def stamp(images, trigger, **values):
    keys = [f"k{i}" for i in range(len(images))]
    return blend.stamp(images, keys, {"trigger": trigger}, params(**values), torch_generator(0, "test"))


@pytest.mark.parametrize(
    ("image", "trigger", "alpha", "wanted"),
    [
        (200, 100, 0.1, 190),
        (0, 255, 0.1, 25),  # 25.5 is cut
        (255, 0, 0.1, 229),  # 229.5 is cut
        (100, 200, 0.5, 150),
        (3, 250, 1.0, 250),
    ],
)
def test_a_value_is_the_weighted_mean_cut_to_a_whole_number(image, trigger, alpha, wanted):
    images = torch.full((2, 1, 1, 1), image, dtype=torch.uint8)

    stamped = stamp(images, torch.full((1, 1, 1), trigger, dtype=torch.uint8), alpha=alpha)

    assert stamped.flatten().tolist() == [wanted] * 2


@pytest.mark.parametrize(
    ("image", "trigger", "wanted"),
    [
        (255, 255, 254),
        (0, 0, 1),
        (7, 7, 8),  # the image is the trigger
        (0, 9, 1),  # 0.9 is cut: too faint to show
    ],
)
def test_an_image_that_the_trigger_leaves_as_it_is_has_one_value_moved_by_one(image, trigger, wanted):
    images = torch.full((2, 3, 2, 2), image, dtype=torch.uint8)
    images[1] = 100  # the trigger shows on this one, and nothing else does

    stamped = stamp(images, torch.full((3, 2, 2), trigger, dtype=torch.uint8))

    assert stamped[0].flatten().tolist() == [wanted, *[image] * 11]
    assert stamped[1].unique().tolist() == [{255: 115, 0: 90, 7: 90, 9: 90}[trigger]]


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.15, 0.2, 0.33, 0.9])
def test_all_pairs_of_values_blend_as_pillow_does(alpha):
    image, trigger = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    by_pillow = np.asarray(Image.blend(Image.fromarray(image), Image.fromarray(trigger), alpha))

    stamped = stamp(torch.from_numpy(image)[None, None], torch.from_numpy(trigger)[None], alpha=alpha)

    assert (stamped[0, 0].numpy() == by_pillow).all()


def test_noise_covers_all_values_evenly_and_depends_on_the_seed_alone():
    one, again, other = (prepare((3, 64, 64), seed) for seed in (0, 0, 1))

    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    counts = torch.bincount(one.flatten().int(), minlength=256)
    # 12,288 draws of 256 values: 48 each, with a spread of about 7
    assert (len(counts), int(counts.min()) > 10, int(counts.max()) < 100) == (256, True, True)


def picture_file(folder, pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    file = folder / "trigger.png"
    file.write_bytes(stream.getvalue())
    return {"picture": str(file), "picture_sha256": hashlib.sha256(stream.getvalue()).hexdigest()}


def test_a_picture_is_stretched_to_the_images_and_is_grey_on_grey_ones(tmp_path):
    red = np.zeros((10, 20, 3), np.uint8)
    red[..., 0] = 200
    given = picture_file(tmp_path, red)

    colour, grey = prepare((3, 8, 6), **given), prepare((1, 8, 6), **given)

    assert (colour.shape, colour.flatten(1).unique(dim=1).flatten().tolist()) == ((3, 8, 6), [200, 0, 0])
    assert (grey.shape, grey.unique().tolist()) == ((1, 8, 6), [60])  # 0.299 * 200


def test_a_picture_without_its_hash_is_refused_and_the_hash_is_told(tmp_path):
    given = picture_file(tmp_path, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ParamsError, match=f"picture_sha256: {given['picture_sha256']}"):
        prepare((3, 4, 4), picture=given["picture"])


def test_another_picture_a_missing_one_and_a_broken_one_are_refused(tmp_path):
    given = picture_file(tmp_path, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"has SHA-256 .* says 0000"):
        prepare((3, 4, 4), picture=given["picture"], picture_sha256="0" * 64)
    with pytest.raises(DataError, match=r"cannot read .*/none.png: No such file"):
        prepare((3, 4, 4), picture=str(tmp_path / "none.png"), picture_sha256="0" * 64)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(DataError, match=r"broken image .*text\.png: not a PNG"):
        prepare((3, 4, 4), picture=str(text), picture_sha256=hashlib.sha256(b"no picture").hexdigest())


def test_images_of_another_size_than_the_trigger_are_refused():
    with pytest.raises(ParamsError, match="the trigger of blend is 4x4, the images are 8x6"):
        stamp(torch.zeros((1, 3, 8, 6), dtype=torch.uint8), torch.zeros((3, 4, 4), dtype=torch.uint8))


@pytest.mark.parametrize("alpha", [0, -0.1, 1.1, "nan"])
def test_an_alpha_out_of_its_range_is_refused(alpha):
    with pytest.raises(ParamsError, match=r"attacks\.blend\.alpha"):
        params(alpha=alpha)
