"""A workspace with finished cells whose network has random weights: nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from asd import store
from asd.layout import Cell
from asd.models import small_resnet
from asd.params import Workspace, load_workspace
from asd.rng import numpy_generator
from asd.seeds.seed_set import SeedSet, write_seed_set
from asd.shards.manifest import Manifest
from asd.shards.write import write_shards
from asd.types import Sample

CLASSES = ("cat", "dog", "owl", "fox")
SHAPE = (3, 8, 8)
CLEAN = Cell("pets", "none", "asd", 0)
PLANTED = Cell("pets", "badnets", "asd", 0)
UNDEFENDED = Cell("pets", "none", "none", 0)
NETWORK = small_resnet.Params(widths=(4, 8), strides=(1, 2))
VERDICTS = ("seed", "clean", "hard-clean", "unused", "suspect", "undecided")


def write_split(
    folder: Path, split: str, count: int, *, trusted: bool, base: Manifest | None = None
) -> Manifest:
    images = numpy_generator(0, "pets", split).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    samples = [Sample(f"{split}_{i:04d}", images[i], i % 4, f"{split}.bin#{i}") for i in range(count)]
    with store.atomic_directory(folder) as temporary:
        return write_shards(
            temporary,
            samples,
            name="pets",
            split=split,
            class_names=CLASSES,
            image_shape=SHAPE,
            trusted=trusted,
            base=base,
        )


class Pets:
    """A workspace of pets; `finish` writes what a whole run of a cell would leave."""

    def __init__(self, root: Path, *, trusted: bool = True) -> None:
        self.root = root
        self.trusted = trusted
        self.set()
        layout = self.workspace.layout
        train = write_split(layout.fetched("pets", "train"), "train", 40, trusted=trusted)
        write_split(layout.fetched("pets", "test"), "test", 300, trusted=trusted)
        write_split(layout.poisoned("pets", "none", "train"), "train", 0, trusted=trusted, base=train)
        write_split(layout.poisoned("pets", "badnets", "train"), "train", 2, trusted=trusted, base=train)
        for attack in ("none", "badnets"):
            seeds = np.arange(4)
            found = SeedSet("keys", tuple(f"train_{i:04d}" for i in seeds), seeds, np.zeros(4, np.int64))
            with store.atomic_directory(layout.seed_set("pets", attack, 0)) as temporary:
                write_seed_set(temporary, found, CLASSES)

    def set(self, gates: dict[str, Any] | None = None, **cells: list[Any]) -> Workspace:
        """Write params.yaml with these gates and lists of cells."""
        lists = {"datasets": ["pets"], "attacks": ["none", "badnets"], "defenses": ["asd", "none"], **cells}
        params = {
            "cells": {**lists, "trials": lists.get("trials", [0])},
            "model": {"use": "small_resnet", **NETWORK.model_dump(mode="json")},
            "datasets": {"pets": {"use": "imagefolder", "image_size": 8, "fit": "crop"}},
            "attacks": {"none": {}, "badnets": {"target_label": 1, "poison_fraction": 0.1}},
            "defenses": {"asd": {"common": {"w": 1}}, "none": {}},
            **({"gates": gates} if gates is not None else {}),
        }
        self.root.mkdir(exist_ok=True)
        (self.root / "params.yaml").write_text(yaml.safe_dump(params))
        (self.root / "dvc.yaml").write_text("stages: {}\n")
        return self.workspace

    @property
    def workspace(self) -> Workspace:
        return load_workspace(self.root)

    def finish(self, cell: Cell, *, seed: int = 0, acc: float = 0.9, asr: float | None = None) -> None:
        """Weights, metrics, pools and samples of a cell."""
        layout = self.workspace.layout
        network = small_resnet.build(NETWORK, 3, len(CLASSES), torch.Generator().manual_seed(seed))
        facts = {
            "plugin": "small_resnet",
            "params": NETWORK.model_dump(mode="json"),
            "class_names": list(CLASSES),
            "image_shape": list(SHAPE),
            "mean": [0.4, 0.5, 0.6],
            "std": [0.2, 0.25, 0.3],
            "precision": "float32",
        }
        stage = layout.stage(cell, 3)
        store.write_tensors(stage / "model.safetensors", network.state_dict(), facts)
        store.write_json(stage / "state.json", {"numeric": {"precision": "float32"}})
        self.measure(cell, acc=acc, asr=asr)
        self.audit(cell)

    def measure(self, cell: Cell, *, acc: float = 0.9, asr: float | None = None) -> None:
        """`metrics.json`."""
        name = "acc" if self.trusted else "acc_untrusted"
        metrics = {
            "trusted": self.trusted,
            name: acc,
            f"n_{name}": 300,
            f"{name}_interval": [acc - 0.05, acc + 0.05],
        }
        metrics |= {"asr": asr, "n_asr": 225 if asr is not None else None, "asr_interval": None}
        metrics["per_class_accuracy"] = {"cat": 0.5, "dog": 0.7, "owl": 1.0, "fox": None}
        store.write_json(self.workspace.layout.metrics(cell), metrics)

    def audit(self, cell: Cell, suspects: dict[str, int] | None = None, share: float | None = None) -> None:
        """`pools.json` and `samples.parquet`; `suspects` per class, all from source `train.bin`."""
        layout = self.workspace.layout
        pools: dict[str, Any] = {"final": {"size": 20, "poisoned": None}}
        names = [CLASSES[i % 4] for i in range(40)]
        columns: dict[str, Any] = {"class_name": names, "source": [f"train.bin#{i}" for i in range(40)]}
        if suspects is not None:
            left, verdicts = dict(suspects), []
            for name in names:
                hit = left.get(name, 0) > 0
                left[name] = left.get(name, 0) - 1
                verdicts.append("suspect" if hit else "clean")
            columns["verdict"] = verdicts
            pools["verdicts"] = {v: verdicts.count(v) for v in VERDICTS}
        if share is not None:
            pools["estimated_poisoned_share"] = {"value": share, "interval": [share / 2, 2 * share]}
        store.write_json(layout.audit_pools(cell), pools)
        store.write_parquet(layout.audit_samples(cell), pa.table(columns))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def pets(tmp_path: Path) -> Pets:
    """Nothing finished yet."""
    return Pets(tmp_path / "w")


@pytest.fixture
def finished(pets: Pets) -> Pets:
    """The cell on unplanted data, its planted twin (ASR 2%) and the undefended model."""
    pets.finish(CLEAN)
    pets.finish(PLANTED, seed=1, asr=0.02)
    pets.finish(UNDEFENDED, seed=2)
    return pets


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported folder in every format that can be written here; for reading only."""
    from asd.ship.export import export

    made = Pets(tmp_path_factory.mktemp("exported") / "w")
    made.finish(CLEAN)
    folder = made.root.parent / "out"
    export(made.workspace, CLEAN, folder)
    return folder
