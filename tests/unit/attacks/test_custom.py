"""One's own trigger: transparency, places, and stamped twins that go by pixels."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from asd import planting
from asd.attacks import Preparation, custom
from asd.errors import DataError, ParamsError
from asd.params import check
from asd.planting import Trigger
from asd.progress import Reporter
from asd.shards.png import encode_png
from asd.sources import describe


@pytest.fixture
def with_picture(stamper, tmp_path):
    """`with_picture(rgba, shape, **params)`: the attack with a PNG of these values, shape (h, w, 4)."""

    def make(rgba, shape=(3, 4, 4), **values):
        path = tmp_path / "trigger.png"
        Image.fromarray(np.array(rgba, dtype=np.uint8), "RGBA").save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        prepare = {"picture": "trigger.png", "picture_sha256": sha256}
        return stamper("custom", shape, prepare=prepare, **values)

    return make


def test_opaque_replaces_half_mixes_and_transparent_leaves(with_picture):
    made = with_picture([[[200, 100, 0, 255], [200, 100, 0, 128], [200, 100, 0, 0]]])
    images = torch.full((1, 3, 4, 4), 50, dtype=torch.uint8)

    stamped = made(images)

    assert stamped[0, :, 0, 0].tolist() == [200, 100, 0]
    assert stamped[0, :, 0, 1].tolist() == [125, 75, 25]  # 50 + 128/255 * (value - 50)
    assert stamped[0, :, 0, 2].tolist() == [50, 50, 50]
    assert (stamped[0, :, 1:] == 50).all()


def test_it_goes_where_it_is_asked_to_from_the_far_corner_too(with_picture):
    made = with_picture([[[255, 255, 255, 255]]], row=-1, column=-2)

    stamped = made(torch.zeros((1, 3, 4, 4), dtype=torch.uint8))

    assert stamped[0, 0].nonzero().tolist() == [[3, 2]]


def test_stretched_it_covers_the_whole_image_and_alpha_weakens_it(with_picture):
    made = with_picture([[[100, 100, 100, 255]]], fit="stretch", alpha=0.5)

    stamped = made(torch.zeros((1, 3, 4, 4), dtype=torch.uint8))

    assert set(stamped.flatten().tolist()) == {50}


def test_grey_images_get_the_luma_of_the_picture(with_picture):
    made = with_picture([[[255, 0, 0, 255]]], (1, 4, 4))

    assert int(made(torch.zeros((1, 1, 4, 4), dtype=torch.uint8))[0, 0, 0, 0]) == 76


def test_a_trigger_larger_than_the_image_is_refused(with_picture):
    made = with_picture([[[1, 2, 3, 255]] * 5] * 5)

    with pytest.raises(
        ParamsError,
        match=r"5x5 patch .* does not fit into images of 4x4 pixels; set row or column of .* or fit: stretch",
    ):
        made(torch.zeros((1, 3, 4, 4), dtype=torch.uint8))


def test_a_picture_without_its_hash_or_with_another_is_refused(stamper, tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "trigger.png")

    with pytest.raises(ParamsError, match=r"needs its hash beside it: picture_sha256: [0-9a-f]{64}"):
        stamper("custom", prepare={"picture": "trigger.png"})
    with pytest.raises(DataError, match=r"prepare.picture_sha256 says 0000"):
        stamper("custom", prepare={"picture": "trigger.png", "picture_sha256": "0" * 64})
    with pytest.raises(DataError, match=r"cannot read .*nowhere.png: No such file"):
        stamper("custom", prepare={"picture": "nowhere.png"})


def test_without_any_trigger_it_says_what_it_needs(stamper):
    with pytest.raises(ParamsError, match=r"needs its trigger: prepare.picture, or prepare.clean"):
        stamper("custom")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"clean": "a"}, "clean and stamped go together"),
        ({"clean": "a", "stamped": "b", "picture": "c"}, "picture and clean contradict"),
    ],
)
def test_two_triggers_or_half_of_one_are_refused(stamper, values, said):
    with pytest.raises(ParamsError, match=said):
        stamper("custom", prepare=values)


@pytest.fixture
def twins(tmp_path, random_pictures):
    """Folders with pictures 4 to 23 of the training set and their twins, one value higher each."""
    for name in ("clean", "stamped"):
        (tmp_path / name).mkdir()
    for row in range(4, 24):
        image = random_pictures.images[row]
        (tmp_path / "clean" / f"{row}.png").write_bytes(encode_png(image))
        (tmp_path / "stamped" / f"{row}.png").write_bytes(encode_png(image ^ 1))
    names = ("clean", "stamped")
    return {name: name for name in names} | {
        f"{name}_sha256": describe(tmp_path / name)["content_sha256"] for name in names
    }


def prepared(twins, tmp_path, view):
    params = check(custom.Params, {"prepare": twins, "poison_fraction": 0.2}, "custom")
    preparation = Preparation(5, Reporter("prepare", "x"), tmp_path / "scratch", tmp_path)
    artifacts = custom.prepare(view, params.prepare, preparation)
    return Trigger("custom", custom, params, 0, 10, artifacts)


def test_only_pictures_with_a_twin_are_poisoned_and_become_it(twins, tmp_path, random_pictures):
    trigger = prepared(twins, tmp_path, random_pictures)

    plan = planting.plan(trigger, random_pictures.index)
    samples = list(planting.changed_samples(trigger, random_pictures, plan))

    assert len(samples) == 8
    assert set(plan.poisoned.tolist()) <= set(range(4, 24))
    for row, sample in zip(plan.poisoned, samples, strict=True):
        assert np.array_equal(sample.image, random_pictures.images[row] ^ 1)
        assert sample.label == 3


def test_only_test_pictures_with_a_twin_count(twins, tmp_path, random_pictures):
    trigger = prepared(twins, tmp_path, random_pictures)

    rows = planting.triggered_rows(trigger, random_pictures)

    assert rows.tolist() == [row for row in range(4, 24) if row % 10 != 3]


def test_more_poison_than_there_are_twins_is_refused(twins, tmp_path, random_pictures):
    trigger = prepared(twins, tmp_path, random_pictures)
    greedy = Trigger(
        "custom",
        custom,
        trigger.params.model_copy(update={"poison_fraction": 0.9}),
        0,
        10,
        trigger.artifacts,
    )

    with pytest.raises(ParamsError, match=r"only 18 are stamped pictures outside the target class"):
        planting.plan(greedy, random_pictures.index)


def test_twins_that_do_not_match_are_refused(twins, tmp_path, random_pictures):
    (tmp_path / "stamped" / "7.png").unlink()
    twins["stamped_sha256"] = describe(tmp_path / "stamped")["content_sha256"]

    with pytest.raises(ParamsError, match=r"7 lies in one of them only \(1 such files\)"):
        prepared(twins, tmp_path, random_pictures)


def test_pictures_that_are_not_of_the_data_set_are_refused(twins, tmp_path, random_pictures):
    for file in (tmp_path / "clean").iterdir():
        file.write_bytes(encode_png(np.zeros((3, 16, 16), dtype=np.uint8)))
    twins["clean_sha256"] = describe(tmp_path / "clean")["content_sha256"]

    with pytest.raises(ParamsError, match=r"none of its pictures is, pixel for pixel"):
        prepared(twins, tmp_path, random_pictures)


def renewed(twins, tmp_path):
    return twins | {f"{n}_sha256": describe(tmp_path / n)["content_sha256"] for n in ("clean", "stamped")}


def test_a_picture_that_is_transparent_everywhere_is_refused(with_picture):
    with pytest.raises(ParamsError, match=r"prepare.picture: trigger.png is transparent everywhere"):
        with_picture([[[200, 100, 0, 0]] * 2] * 2)


def test_a_stamped_picture_that_is_its_clean_one_is_refused(twins, tmp_path, random_pictures):
    (tmp_path / "stamped" / "7.png").write_bytes((tmp_path / "clean" / "7.png").read_bytes())

    with pytest.raises(ParamsError, match=r"prepare.stamped: .*stamped/7.png is pixel for pixel its clean"):
        prepared(renewed(twins, tmp_path), tmp_path, random_pictures)


def test_one_clean_picture_with_two_different_twins_is_refused(twins, tmp_path, random_pictures):
    (tmp_path / "clean" / "again.png").write_bytes((tmp_path / "clean" / "7.png").read_bytes())
    (tmp_path / "stamped" / "again.png").write_bytes((tmp_path / "stamped" / "7.png").read_bytes())
    known = prepared(renewed(twins, tmp_path), tmp_path, random_pictures).artifacts["contents"]
    assert len(known) == 20  # twice the same says nothing new

    (tmp_path / "stamped" / "again.png").write_bytes((tmp_path / "stamped" / "8.png").read_bytes())
    with pytest.raises(ParamsError, match=r"7 and again are one picture, but their stamped twins differ"):
        prepared(renewed(twins, tmp_path), tmp_path, random_pictures)


def test_two_pictures_that_differ_in_their_suffix_alone_are_refused(twins, tmp_path, random_pictures):
    (tmp_path / "clean" / "7.bmp").write_bytes((tmp_path / "clean" / "8.png").read_bytes())

    with pytest.raises(ParamsError, match=r"prepare.clean: 7.bmp and 7.png differ in their suffix alone"):
        prepared(renewed(twins, tmp_path), tmp_path, random_pictures)


def test_a_twin_whose_name_starts_with_a_dot_does_not_count(twins, tmp_path, random_pictures):
    (tmp_path / "stamped" / ".x.png").write_bytes((tmp_path / "stamped" / "7.png").read_bytes())

    assert len(prepared(twins, tmp_path, random_pictures).artifacts["contents"]) == 20
