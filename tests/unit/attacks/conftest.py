"""Stamping with an attack by name, as the steps prepare and poison do it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from asd.attacks import Preparation, PreparingAttack
from asd.params import check
from asd.progress import Reporter
from asd.registry import Registry
from asd.rng import numpy_generator, torch_generator
from asd.types import DataView, SampleIndex, content_sha256


class Stamper:
    """One attack, prepared on random pictures of a shape."""

    def __init__(self, name, shape, folder: Path, **values):
        self.attack = Registry("attacks").get(name)
        self.params = check(self.attack.Params, values, f"attacks.{name}")
        self.artifacts = {}
        self.preparation = preparation = Preparation(5, Reporter("prepare", "x"), folder / "scratch", folder)
        if isinstance(self.attack, PreparingAttack):
            self.artifacts = self.attack.prepare(random_view(shape), self.params.prepare, preparation)

    def __call__(self, images, keys=None, seed=5, by="stamp"):
        keys = [f"k{i}" for i in range(len(images))] if keys is None else keys
        stamp = getattr(self.attack, by)
        return stamp(torch.as_tensor(images), keys, self.artifacts, self.params, torch_generator(seed, "s"))


def random_view(shape, count=40):
    pixels = numpy_generator(1, "view").integers(0, 256, size=(count, *shape), dtype=np.uint8)
    index = SampleIndex(
        keys=tuple(f"k{i}" for i in range(count)),
        labels=np.arange(count, dtype=np.int64) % 10,
        content=tuple(content_sha256(image) for image in pixels),
        sources=("test",) * count,
    )
    return DataView(index, pixels, tuple(f"class{i}" for i in range(10)), trusted=True)


@pytest.fixture
def stamper(tmp_path):
    """`stamper(name, shape, **params)` gives a function of images."""
    return lambda name, shape=(3, 32, 32), **values: Stamper(name, shape, tmp_path, **values)


@pytest.fixture
def some_images():
    """Six random pictures of a shape, uint8."""

    def make(shape=(3, 32, 32), count=6):
        values = numpy_generator(2, "images").integers(0, 256, size=(count, *shape), dtype=np.uint8)
        return torch.from_numpy(values)

    return make


@pytest.fixture
def random_pictures():
    """A training set of forty random pictures, (3, 16, 16)."""
    return random_view((3, 16, 16))


@pytest.fixture
def small_surrogate():
    """Params of a classifier that trains in a moment."""
    return {
        "network": "small_resnet",
        "network_params": {"widths": [4, 8], "strides": [2, 2]},
        "epochs": 2,
        "batch": 16,
        "augment": {"pad": 2},
        "threads": 1,
    }
