"""What every attack promises; a new file in asd/attacks is tested at once."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.attacks import Attack, Preparation, PreparingAttack
from asd.errors import ParamsError
from asd.params import check
from asd.progress import Reporter
from asd.registry import Registry
from asd.rng import numpy_generator, torch_generator
from asd.shards.png import encode_png
from asd.types import DataView, SampleIndex, content_sha256

SHAPES = [(3, 32, 32), (1, 32, 32), (1, 8, 8), (3, 9, 14), (3, 1, 1)]


# What an attack trains is made small here; that it then works is shown elsewhere.
_SURROGATE = {
    "network": "small_resnet",
    "network_params": {"widths": [4, 8], "strides": [2, 2]},
    "epochs": 1,
    "augment": {"pad": 2},
    "threads": 1,
}
TRIGGER = encode_png(np.full((3, 1, 1), 77, dtype=np.uint8))
SMALL = {
    "custom": {"prepare": {"picture": "trigger.png", "picture_sha256": hashlib.sha256(TRIGGER).hexdigest()}},
    "clb": {"steps": 2, "prepare": {"surrogate": _SURROGATE}},
    "adaptive_disguise": {"steps": 2, "prepare": {"surrogate": _SURROGATE}},
    "iab": {"prepare": {"width": 2, "mask_epochs": 1, "classifier": _SURROGATE}},
    "issba": {"prepare": {"width": 2, "epochs": 1, "threads": 1}},
    "adaptive_gradient": {"prepare": {"surrogate": _SURROGATE, "iterations": 2, "batch": 4}},
}


@pytest.fixture(params=Registry("attacks").names())
def name(request):
    return request.param


@pytest.fixture
def attack(name):
    return Registry("attacks").get(name)


@pytest.fixture
def params(name, attack):
    return check(attack.Params, SMALL.get(name), name)


def random_images(shape, count=6):
    values = numpy_generator(1, "images").integers(0, 256, size=(count, *shape), dtype=np.uint8)
    return torch.from_numpy(values)


def prepared(attack, params, images):
    if not isinstance(attack, PreparingAttack):
        return {}
    pixels = images.numpy()
    index = SampleIndex(
        keys=tuple(f"k{i}" for i in range(len(pixels))),
        labels=np.arange(len(pixels), dtype=np.int64) % 10,
        content=tuple(content_sha256(image) for image in pixels),
        sources=("test",) * len(pixels),
    )
    view = DataView(index, pixels, tuple(f"class{i}" for i in range(10)), trusted=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trigger.png").write_bytes(TRIGGER)
        preparation = Preparation(5, Reporter("prepare", "x"), Path(folder) / "scratch", Path(folder))
        return attack.prepare(view, params.prepare, preparation)


def stamp(attack, params, images):
    keys = [f"k{i}" for i in range(len(images))]
    artifacts = prepared(attack, params, images)
    return attack.stamp(images, keys, artifacts, params, torch_generator(5, "stamp"))


def test_the_module_is_an_attack(attack):
    assert isinstance(attack, Attack)


def test_the_params_have_what_planting_reads(attack):
    params = attack.Params()
    assert 0 <= params.poison_fraction <= 1
    assert params.count in ("exact", "bernoulli")
    assert params.of in ("data", "eligible")
    assert params.prepare == type(params.prepare)()


def test_stamping_leaves_its_input_alone(attack, params):
    images = random_images((3, 32, 32))
    before = images.clone()

    stamped = stamp(attack, params, images)

    assert torch.equal(images, before)
    assert stamped.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_gives_uint8_of_that_shape_or_a_clear_error(attack, params, shape):
    images = random_images(shape)
    stamped, message = images, ""
    try:
        stamped = stamp(attack, params, images)
    except ParamsError as error:
        message = str(error)

    assert (stamped.dtype, stamped.shape) == (torch.uint8, images.shape)
    assert not message or f"{shape[1]}x{shape[2]}" in message


def test_every_stamped_image_differs_from_its_source_unless_the_attack_is_none(name, attack, params):
    images = random_images((3, 32, 32))

    differs = (stamp(attack, params, images) != images).flatten(1).any(dim=1)

    assert differs.tolist() == [name != "none"] * len(images)


def test_the_same_seed_gives_the_same_bytes(attack, params):
    images = random_images((3, 32, 32))

    assert torch.equal(stamp(attack, params, images), stamp(attack, params, images))


def test_wanted_labels_are_labels_and_the_given_ones_stay(attack, params):
    labels = np.arange(10, dtype=np.int64)
    before = labels.copy()

    wanted = attack.relabel(labels, params, 10)

    assert (wanted.dtype, wanted.shape) == (np.int64, (10,))
    assert wanted.min() >= 0
    assert labels.tolist() == before.tolist()


def test_only_images_that_do_not_have_the_wanted_label_count_for_attack_success(name, attack, params):
    labels = np.arange(10, dtype=np.int64)

    counts = attack.counts_for_asr(labels, params)

    assert (counts.dtype, counts.shape) == (np.bool_, (10,))
    assert not counts[attack.relabel(labels, params, 10) == labels].any()
    assert counts.any() == (name != "none")
