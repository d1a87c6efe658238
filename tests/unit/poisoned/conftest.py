"""A small workspace with pictures of pets, for the steps that poison and that choose seeds."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from asd import store
from asd.params import load_workspace
from asd.progress import Reporter
from asd.rng import numpy_generator
from asd.shards.manifest import read_manifest
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.steps import StepItem, poison, prepare
from asd.types import Sample

CLASSES = ("cat", "dog", "owl", "fox")
SHAPE = (3, 8, 8)
ATTACK = StepItem("pets", "badnets")
NO_ATTACK = StepItem("pets", "none")
TRIAL = StepItem("pets", "badnets", trial=0)


def write_split(folder, split, count, trusted=True):
    rng = numpy_generator(0, "pets", split)
    images = rng.integers(1, 50, size=(count, *SHAPE), dtype=np.uint8)
    samples = [Sample(f"{split}_{i:04d}", images[i], i % 4, f"{split}.bin#{i}") for i in range(count)]
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name="pets",
            split=split,
            class_names=CLASSES,
            image_shape=SHAPE,
            trusted=trusted,
        )


def make_workspace(root, trusted=True, attack=None, **top):
    attacks = {
        "badnets": {"target_label": 1, "poison_fraction": 0.1, "prepare": {}, **(attack or {})},
        "none": {"prepare": {}},
    }
    params = {
        "cells": {"datasets": ["pets"], "attacks": ["badnets", "none"], "defenses": ["asd"]},
        "datasets": {"pets": {"use": "imagefolder"}},
        "attacks": attacks,
        "defenses": {"asd": {}},
        **top,
    }
    root.mkdir(exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    workspace = load_workspace(root)
    for split, count in (("train", 200), ("test", 40)):
        write_split(workspace.layout.fetched("pets", split), split, count, trusted)
    return workspace


def run(step, workspace, item):
    printed = io.StringIO()
    step.run(workspace, item, Reporter(step.__name__, str(item), printed))
    return printed.getvalue()


def planted(root, item=ATTACK, **options):
    workspace = make_workspace(root, **options)
    run(prepare, workspace, item)
    run(poison, workspace, item)
    return workspace


def with_seeds(workspace, seeds):
    """The same workspace with another section `seeds`."""
    path = workspace.layout.params
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seeds": seeds}))
    return load_workspace(workspace.layout.root)


def merged(workspace, cache="pixels", attack="badnets"):
    layout = workspace.layout
    return open_view(
        layout.fetched("pets", "train"),
        overlay=layout.poisoned("pets", attack, "train"),
        pixel_cache=workspace.layout.root / cache,
    )


def file_bytes(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def standalone_copy(workspace, folder):
    """The poisoned training set as one folder of shards without layers."""
    base = read_manifest(workspace.layout.fetched("pets", "train"))
    view = merged(workspace, cache="copying")
    samples = (
        Sample(key, view.images[i], int(view.labels[i]), view.index.sources[i])
        for i, key in enumerate(view.index.keys)
    )
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name=base.name,
            split=base.split,
            class_names=base.class_names,
            image_shape=base.image_shape,
            trusted=base.trusted,
        )


@pytest.fixture
def pets():
    """What the tests of this folder share: the names above."""
    return SimpleNamespace(
        classes=CLASSES,
        shape=SHAPE,
        attack=ATTACK,
        no_attack=NO_ATTACK,
        trial=TRIAL,
        write_split=write_split,
        make_workspace=make_workspace,
        run=run,
        planted=planted,
        merged=merged,
        with_seeds=with_seeds,
        file_bytes=file_bytes,
        standalone_copy=standalone_copy,
    )
