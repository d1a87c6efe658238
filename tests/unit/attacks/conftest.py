"""Stamping with an attack by name, as the steps prepare and poison do it."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from asd import store
from asd.attacks import Preparation, PreparingAttack, imported
from asd.params import check
from asd.progress import Reporter
from asd.registry import Registry
from asd.rng import numpy_generator, torch_generator
from asd.shards.png import encode_png
from asd.shards.write import write_shards
from asd.types import DataView, Sample, SampleIndex, content_sha256
from tests.unit.attacks.imported_sets import WORDS, hash_of


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


# -- imported sets ------------------------------------------------------------------------------


@pytest.fixture
def rows(random_pictures):
    """What a right file says of the forty pictures: every fourth is poisoned, with the label below it."""
    view = random_pictures
    labels = view.labels.tolist()
    return [
        {
            "image": encode_png(view.images[row]),
            "label": labels[row],
            "original_label": (labels[row] - 1) % 10 if row % 4 == 1 else labels[row],
            "role": WORDS[row % 4],
        }
        for row in range(len(view))
    ]


@pytest.fixture
def told(random_pictures, tmp_path):
    """`told(roles, triggered, **prepare)`: params and artifacts, with the right hashes."""

    def make(roles=None, triggered=None, **values):
        for name, file in (("roles", roles), ("triggered", triggered)):
            if isinstance(file, str):  # just so, as in params.yaml
                values = {name: file} | values
            elif file is not None:
                values = {name: str(file.relative_to(tmp_path)), f"{name}_sha256": hash_of(file)} | values
        params = check(imported.Params, {"prepare": values}, "attacks.imported")
        preparation = Preparation(
            5, Reporter("prepare", "x", io.StringIO()), tmp_path / "scratch", tmp_path / "."
        )
        (tmp_path / "made").mkdir(exist_ok=True)
        return params, imported.prepare(random_pictures, params.prepare, preparation)

    return make


@pytest.fixture
def fetched(random_pictures, tmp_path):
    """`fetched(rows, trusted, ...)`: folders of shards of these rows as training set, and a test set."""

    def make(train=range(40), test=None, *, trusted=False, excluded=(), left_out=()):
        view = random_pictures
        for split, chosen in (("train", train), ("test", test)):
            folder = tmp_path / "shards" / split
            with store.atomic_directory(folder) as place:
                if chosen is None:
                    images = [(row, 255 - view.images[row]) for row in range(40)]
                else:
                    images = [(row, view.images[row]) for row in chosen]
                write_shards(
                    place,
                    [Sample(f"{split}_{row}", image, int(view.labels[row]), "s") for row, image in images],
                    name="x",
                    split=split,
                    class_names=view.class_names,
                    image_shape=(3, 16, 16),
                    trusted=trusted,
                    excluded=excluded if split == "train" else (),
                    left_out=left_out if split == "train" else (),
                )
        return tmp_path / "shards" / "train", tmp_path / "shards" / "test"

    return make
