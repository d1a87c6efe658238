"""A small workspace with audited runs, written by the real writers, with names from people who mean harm.

pets/badnets/asd/0   audited, as are /1 (with a key that no writer of ours would let pass) and none/0
pets/badnets/asd/2   at work in stage 2
pets/gone/asd/0      audited, but the shard of what was planted is gone
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from asd import store
from asd.audit.features import Neighbours
from asd.audit.opinions import Opinions
from asd.audit.planted import planted_pictures
from asd.audit.purity import pool_figures
from asd.audit.record import RunRecord, join_stages, truth_masks
from asd.audit.runs import current_run
from asd.audit.samples import neighbour_table, sample_table
from asd.audit.verdict import judge
from asd.layout import Cell, Layout
from asd.pools.history import EpochRow, History, write_history
from asd.seeds.seed_set import SeedSet, write_seed_set
from asd.shards.manifest import read_manifest
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.truth import PoisonTruth, read_truth, write_truth
from asd.types import Sample

COUNT, SHAPE = 120, (3, 12, 12)
SCRIPT = "<script>document.title='owned'</script>\"' onerror=x"
TURNED = "cat\u202egnp.exe\x07"
LONG = "long" * 60
CLASSES = ("cat", SCRIPT, TURNED, LONG)
POISONED = tuple(range(7, 120, 12))
"""Rows that are planted: class 3 by their place, given as class 0."""
HOSTILE_KEY = "../../etc/<img src=x onerror=alert(1)>&\u202e\"'"
CELL = Cell("pets", "badnets", "asd", 0)


def key(row: int) -> str:
    return f"train_{row:04d}"


def source(row: int) -> str:
    names = ("a.bin#{}", f"{SCRIPT}/{{}}.png", f"{TURNED}/{{}}.png", f"{LONG}/{{}}.png")
    return names[row // 4 % 4].format(row)


def picture(row: int, *, planted: bool = False) -> np.ndarray:
    image = np.random.default_rng(row).integers(40, 200, SHAPE, dtype=np.uint8)
    if planted:
        image[:, :2, :2] = 255
    return image


def build(root: Path) -> Layout:
    """Write the workspace into an empty folder."""
    layout = Layout(root)
    params = {
        "cells": {
            "datasets": ["pets"],
            "attacks": ["badnets", "gone"],
            "defenses": ["none", "asd"],
            "trials": [0, 1, 2],
        },
        "gates": {"least_acc": 0.5, "most_suspects_per_class": 1},
        "datasets": {"pets": {"use": "imagefolder"}},
        "attacks": {"badnets": {"target_label": 0}, "gone": {"use": "badnets", "target_label": 0}},
        "defenses": {"none": {}, "asd": {"common": {"w": 2}}},
    }
    root.mkdir(parents=True, exist_ok=True)
    layout.params.write_text(yaml.safe_dump(params))
    layout.pipeline.write_text("stages: {}\n")
    _write(
        layout.fetched("pets", "train"), [Sample(key(r), picture(r), r % 4, source(r)) for r in range(COUNT)]
    )
    for attack in ("badnets", "gone"):
        _plant(layout, attack)
    for cell in (CELL, Cell("pets", "badnets", "asd", 1), Cell("pets", "gone", "asd", 0)):
        _seeds(layout, cell)
        _run(layout, cell)
    _undefended(layout, Cell("pets", "badnets", "none", 0))
    _at_work(layout, Cell("pets", "badnets", "asd", 2))
    _hostile_key(layout, Cell("pets", "badnets", "asd", 1))
    for shard in layout.poisoned("pets", "gone", "train").glob("*.tar"):
        shard.unlink()
    return layout


def _write(folder: Path, samples: list[Sample], base=None) -> None:
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name="pets",
            split="train",
            class_names=CLASSES,
            image_shape=SHAPE,
            trusted=True,
            base=base,
            shard_samples=50,
        )


def _plant(layout: Layout, attack: str) -> None:
    base = read_manifest(layout.fetched("pets", "train"))
    samples = [Sample(key(r), picture(r, planted=True), 0, source(r)) for r in POISONED]
    _write(layout.poisoned("pets", attack, "train"), samples, base)
    truth = PoisonTruth(
        tuple(key(r) for r in POISONED), ("poisoned",) * len(POISONED), np.array([r % 4 for r in POISONED])
    )
    write_truth(layout.truth("pets", attack), truth)


def _seeds(layout: Layout, cell: Cell) -> None:
    folder = layout.seed_set(cell.dataset, cell.attack, cell.trial)
    folder.mkdir(parents=True, exist_ok=True)
    seeds = SeedSet("oracle", tuple(key(r) for r in range(4)), np.arange(4), np.zeros(4, np.int64))
    write_seed_set(folder, seeds, CLASSES)


def histories(trial: int) -> list[History]:
    """Three stages of four, two and four epochs; poison is learned at once by the virtual model."""
    generator = np.random.default_rng(trial)
    rows = np.arange(COUNT)
    poisoned = np.isin(rows, POISONED)
    loss = np.where(poisoned, 8.5, 0.2 + rows % 40 / 10).astype(np.float32)
    nan = float("nan")
    made: list[list[EpochRow]] = [[], [], []]
    for epoch in range(10):
        noisy = (loss + generator.normal(0, 0.05, COUNT)).clip(0.01).astype(np.float32)
        stage = 0 if epoch < 4 else 1 if epoch < 6 else 2
        if stage < 2:
            cut = float(np.sort(noisy)[10 * (epoch + 1)])
            rule = ("class-aware", "class-agnostic")[stage]
            made[stage].append(EpochRow(epoch, rule, cut, noisy, noisy <= cut))
        else:
            virtual = np.where(poisoned, 0.01, noisy * 0.95).astype(np.float32)
            cut = float(np.sort(noisy - virtual)[84])
            made[2].append(
                EpochRow(epoch, "meta-split", cut, noisy, noisy - virtual <= cut, virtual_loss=virtual)
            )
    last = made[2][-1]
    made[2].append(
        EpochRow(10, "final", nan, last.loss, last.in_clean, warnings=("epoch 9: <b>cat</b> is starved",))
    )
    return [History(tuple(stage)) for stage in made]


def _run(layout: Layout, cell: Cell) -> None:
    train = layout.fetched("pets", "train")
    view = open_view(
        train, overlay=layout.poisoned("pets", cell.attack, "train"), pixel_cache=layout.pixel_cache
    )
    past = histories(cell.trial)
    epochs, final = join_stages(past, COUNT)
    seeds = np.isin(np.arange(COUNT), range(4))
    record = RunRecord(view.index, CLASSES, True, epochs, final, seeds, None)
    judged = judge(record)
    truth = truth_masks(read_truth(layout.truth("pets", cell.attack)), view.index, trusted=True)
    record = dataclasses.replace(record, truth=truth)
    for number, history in enumerate(past, 1):
        layout.stage(cell, number).mkdir(parents=True)
        write_history(layout.stage(cell, number) / "history.parquet", history.epochs)
        timing = {
            "seconds": 12.5,
            "images_per_second": 4000.0,
            "peak_bytes": 2**28,
            "device": "cpu",
            "threads": 1,
        }
        store.write_json(layout.timing(cell, number), timing | {"resumes": 0})
    store.write_parquet(layout.audit_samples(cell), sample_table(record, judged, *_opinions()))
    store.write_json(layout.audit_pools(cell), pool_figures(record, judged))
    examples = planted_pictures(train, view, truth)
    store.write_json(layout.audit_report_facts(cell), {"planted_pictures": examples.as_json()})
    _figures(layout, cell)
    _neighbours(layout, cell)


def _opinions() -> tuple[np.ndarray, Opinions]:
    """The final model is 75% sure of the class that a picture had before anything was planted."""
    probabilities = np.full((COUNT, len(CLASSES)), 0.25 / (len(CLASSES) - 1), np.float32)
    probabilities[np.arange(COUNT), np.arange(COUNT) % 4] = 0.75
    rising = np.linspace(0, 1, COUNT, dtype=np.float32)
    return probabilities, Opinions(rising, rising, rising, 1 - rising)


def _figures(layout: Layout, cell: Cell) -> None:
    metrics = {
        "dataset": "pets", "attack": cell.attack, "defense": cell.defense, "trial": cell.trial,
        "trusted": True,
        "acc": 0.81, "n_acc": 500, "acc_interval": [0.77, 0.84], "asr": 0.03, "n_asr": 400, "asr_base": 0.02,
        "asr_interval": [0.02, 0.05], "asr_minus_base": 0.01,
        "per_class_accuracy": dict.fromkeys(CLASSES, 0.8),
    }  # fmt: skip
    store.write_json(layout.metrics(cell), metrics)
    rows = [{"epoch": e + 1, "acc": 0.5 + e / 40, "asr": 0.03, "n_acc": 100, "n_asr": 80} for e in range(10)]
    store.write_parquet(layout.curves(cell), pa.Table.from_pylist(rows))


def _neighbours(layout: Layout, cell: Cell) -> None:
    rows = np.arange(COUNT)
    near = Neighbours((rows[:, None] + np.arange(1, 6)) % COUNT, np.full((COUNT, 5), 0.5, np.float32))
    clean = Neighbours((rows[:, None] + 4) % COUNT, np.full((COUNT, 1), 1.5, np.float32))
    store.write_parquet(current_run(layout, cell).neighbours, neighbour_table(near, clean))


def _undefended(layout: Layout, cell: Cell) -> None:
    view = open_view(
        layout.fetched("pets", "train"),
        overlay=layout.poisoned("pets", cell.attack, "train"),
        pixel_cache=layout.pixel_cache,
    )
    loss = np.full(COUNT, 0.5, np.float32)
    final = EpochRow(10, "final", float("nan"), loss, np.ones(COUNT, bool))
    past = [History((final,)), History(()), History(())]
    epochs, last = join_stages(past, COUNT)
    record = RunRecord(view.index, CLASSES, True, epochs, last, np.zeros(COUNT, bool), None)
    for number, history in enumerate(past, 1):
        layout.stage(cell, number).mkdir(parents=True)
        write_history(layout.stage(cell, number) / "history.parquet", history.epochs)
    judged = judge(record)
    store.write_parquet(layout.audit_samples(cell), sample_table(record, judged))
    store.write_json(layout.audit_pools(cell), pool_figures(record, judged))
    _figures(layout, cell)


def _at_work(layout: Layout, cell: Cell) -> None:
    _seeds(layout, cell)
    layout.stage(cell, 1).mkdir(parents=True)
    write_history(layout.stage(cell, 1) / "history.parquet", histories(2)[0].epochs)


def _hostile_key(layout: Layout, cell: Cell) -> None:
    """As if somebody had written into the table of samples: our own writers refuse such a key."""
    path = layout.audit_samples(cell)
    table = pq.read_table(path, partitioning=None)
    keys = table["key"].to_pylist()
    keys[9] = HOSTILE_KEY
    place = table.column_names.index("key")
    store.write_parquet(path, table.set_column(place, "key", pa.array(keys)))
