"""The steps `evaluate` and `audit` on a stage folder written by hand."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from asd import store
from asd.errors import DataError
from asd.layout import Cell
from asd.params import load_workspace
from asd.pools.history import EpochRow, write_history, write_predictions
from asd.progress import Reporter
from asd.seeds.seed_set import SeedSet, write_seed_set
from asd.shards.manifest import read_manifest
from asd.shards.write import write_shards
from asd.steps import StepItem, audit, evaluate
from asd.tables import rows as table
from asd.training import classifier, model_view
from asd.truth import PoisonTruth, ProbeTruth, write_probe_truth, write_truth
from asd.types import Sample

ITEM = StepItem("pets", "badnets", "asd", 0)
CELL = Cell("pets", "badnets", "asd", 0)
SHAPE = (1, 8, 8)


class Reader:
    """Says of each image the class that its first pixel is."""

    def predict(self, images):
        return images[:, 0, 0, 0].astype(np.int64)


def first_pixel(reader, images):
    """One feature, the first pixel; sure of the class that `Reader` says."""
    pixels = np.array(images[:, 0, 0, :1], dtype=np.float32)
    sure = np.array([0.1, 0.9], dtype=np.float32)
    return model_view.ModelView(pixels, np.where(pixels > 0, sure, sure[::-1]))


def sample(key, label, pixel):
    image = np.full(SHAPE, 50, dtype=np.uint8)
    image[0, 0, 0] = pixel
    return Sample(key, image, label, f"pets.bin#{key}")


def write(folder, samples, split, base=None, trusted=True):
    with store.atomic_directory(folder) as temporary:
        return write_shards(
            temporary,
            samples,
            name="pets",
            split=split,
            class_names=("cat", "dog"),
            image_shape=SHAPE,
            trusted=trusted,
            base=base,
        )


def write_data(layout, train_trusted=True, test_trusted=True):
    train = [sample(f"train_{i}", i % 2, i % 2) for i in range(6)]
    write(layout.fetched("pets", "train"), train, "train", trusted=train_trusted)
    base = read_manifest(layout.fetched("pets", "train"))
    write(
        layout.poisoned("pets", "badnets", "train"), [sample("train_2", 1, 9)], "train", base, train_trusted
    )
    write_truth(layout.truth("pets", "badnets"), PoisonTruth(("train_2",), ("poisoned",), np.array([0])))
    # Clean test: three cats (one called dog) and a dog. Triggered cats: two of three called dog.
    test = [
        sample(f"test_{i}", label, says) for i, (label, says) in enumerate([(0, 0), (0, 1), (0, 0), (1, 1)])
    ]
    write(layout.fetched("pets", "test"), test, "test", trusted=test_trusted)
    triggered = [sample("test_0", 1, 1), sample("test_1", 1, 1), sample("test_2", 1, 0)]
    write(layout.poisoned("pets", "badnets", "test"), triggered, "test")
    probe = ProbeTruth(
        ("p000000", "p000001", "p000002"),
        ("test_0", "test_0", "test_3"),
        np.array([True, False, False]),
        np.array([0, 0, 1]),
    )
    write_probe_truth(layout.probe_truth("pets", "badnets"), probe)


def write_run(layout):
    seeds = SeedSet("oracle", ("train_0", "train_1"), np.array([0, 1]), np.array([0, 0]))
    folder = layout.seed_set("pets", "badnets", 0)
    folder.mkdir(parents=True)
    write_seed_set(folder, seeds, ("cat", "dog"))
    loss = np.array([0.1, 0.2, 9.0, 0.3, 0.4, 0.5], dtype=np.float32)
    pool = np.array([True, True, False, True, False, False])
    nan = float("nan")
    rows = {
        1: [EpochRow(0, "class-aware", nan, loss, pool)],
        2: [],
        3: [
            EpochRow(1, "meta-split", 0.1, loss, pool, virtual_loss=loss / 2),
            EpochRow(2, "final", nan, loss, pool),
        ],
    }
    predictions = {1: [(1, np.array([1, 0, 0]))], 2: [], 3: [(2, np.array([0, 0, 1]))]}
    for stage in (1, 2, 3):
        layout.stage(CELL, stage).mkdir(parents=True)
        write_history(layout.stage(CELL, stage) / "history.parquet", rows[stage])
        write_predictions(layout.stage(CELL, stage) / "predictions.parquet", predictions[stage])
        facts = {"seconds": 1.5, "peak_bytes": 2**20, "device": "cpu", "threads": 1}
        store.write_json(layout.timing(CELL, stage), {**facts, "resumes": 0, "images_per_second": None})


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    params = {
        "cells": {"datasets": ["pets"], "attacks": ["badnets"], "defenses": ["asd"]},
        "datasets": {"pets": {"use": "imagefolder"}},
        "attacks": {"badnets": {"target_label": 1}},
        "defenses": {"asd": {"common": {"w": 1}}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr(classifier, "load_classifier", lambda folder, plugins=None: Reader())
    monkeypatch.setattr(model_view, "look", first_pixel)
    workspace = load_workspace(tmp_path)
    write_data(workspace.layout)
    write_run(workspace.layout)
    return workspace


@pytest.fixture
def said():
    stream = io.StringIO()
    return SimpleNamespace(reporter=Reporter("audit", str(ITEM), stream), text=stream.getvalue)


def run_both(workspace, said):
    evaluate.run(workspace, ITEM, said.reporter)
    audit.run(workspace, ITEM, said.reporter)


def test_evaluate_writes_the_metrics_of_the_whole_test_set(workspace, said):
    evaluate.run(workspace, ITEM, said.reporter)
    found = json.loads(workspace.layout.metrics(CELL).read_text())
    assert (found["acc"], found["n_acc"]) == (3 / 4, 4)
    assert (found["asr"], found["n_asr"], found["asr_base"]) == (2 / 3, 3, 1 / 3)
    assert "accuracy 75.0% of 4, attack success 66.7% of 3" in said.text()


def test_evaluate_joins_the_probe_of_all_stages(workspace, said):
    evaluate.run(workspace, ITEM, said.reporter)
    assert store.read_parquet(workspace.layout.curves(CELL)).to_pylist() == [
        {"epoch": 1, "acc": 1 / 2, "asr": 1.0, "n_acc": 2, "n_asr": 1},
        {"epoch": 2, "acc": 1.0, "asr": 0.0, "n_acc": 2, "n_asr": 1},
    ]


def test_accuracy_on_labels_that_nobody_vouches_for_is_never_called_accuracy(workspace, said):
    write_data(workspace.layout, train_trusted=False, test_trusted=False)
    run_both(workspace, said)
    found = json.loads(workspace.layout.metrics(CELL).read_text())
    assert (found["acc"], found["acc_untrusted"], found["n_acc"]) == (None, 3 / 4, 4)
    assert "acc_untrusted 75.0% of 4, attack success 66.7% of 3" in said.text()
    assert "acc_untrusted: nobody vouches for the labels of the test set" in said.text()
    assert "accuracy 75" not in said.text()
    curves = store.read_parquet(workspace.layout.curves(CELL))
    assert curves["acc_untrusted"].to_pylist() == [1 / 2, 1.0]
    assert "acc" not in curves.column_names


def test_a_trusted_test_set_gives_accuracy_and_leaves_the_training_data_unknown(workspace, said):
    write_data(workspace.layout, train_trusted=False, test_trusted=True)
    run_both(workspace, said)
    found = json.loads(workspace.layout.metrics(CELL).read_text())
    assert (found["acc"], found["trusted"], found["acc_untrusted"]) == (3 / 4, True, None)
    roles = store.read_parquet(workspace.layout.audit_samples(CELL))["truth_role"].to_pylist()
    assert roles == ["unknown", "unknown", "poisoned", "unknown", "unknown", "unknown"]
    page = workspace.layout.audit_report(CELL).read_text()
    assert "Nobody vouches for the labels" in page
    assert "4 clean test images, whose labels somebody vouches for" in page
    assert "acc_untrusted" not in page


def test_audit_sees_the_samples_as_the_run_saw_them(workspace, said):
    run_both(workspace, said)
    rows = store.read_parquet(workspace.layout.audit_samples(CELL)).to_pylist()
    assert [row["label"] for row in rows] == [0, 1, 1, 1, 0, 1]
    assert [row["is_seed"] for row in rows] == [True, True, False, False, False, False]
    assert (rows[2]["truth_role"], rows[2]["truth_label_before"]) == ("poisoned", 0)
    assert rows[2]["source"] == "pets.bin#train_2"


def test_audit_writes_pools_and_page_and_says_what_it_found(workspace, said):
    run_both(workspace, said)
    pools = json.loads(workspace.layout.audit_pools(CELL).read_text())
    assert (pools["final"]["size"], pools["final"]["poisoned"], pools["final"]["recall"]) == (3, 0, 3 / 5)
    assert workspace.layout.audit_report(CELL).read_text().startswith("<!doctype html>")
    assert "3 of 6 samples in the final clean pool, 0 of them poisoned" in said.text()


def test_the_table_reads_what_the_steps_wrote(workspace, said):
    run_both(workspace, said)
    (row,) = table.rows(workspace, [CELL])
    assert (row["acc"], row["clean_pool"], row["poison_in_pool"], row["seconds"]) == (0.75, 3, 0, 4.5)


def test_the_same_inputs_give_the_same_bytes(workspace, said):
    run_both(workspace, said)
    folders = (workspace.layout.run(CELL) / "evaluation", workspace.layout.run(CELL) / "audit")
    before = {file: file.read_bytes() for folder in folders for file in folder.iterdir()}
    run_both(workspace, said)
    assert {file: file.read_bytes() for file in before} == before
    assert len(before) == 7


def test_audit_works_without_timing(workspace, said):
    for stage in (1, 2, 3):
        workspace.layout.timing(CELL, stage).unlink()
    run_both(workspace, said)
    assert "not recorded" in workspace.layout.audit_report(CELL).read_text()


def test_a_damaged_shard_stops_the_step_and_nothing_is_written(workspace, said):
    shard = next(workspace.layout.fetched("pets", "test").glob("*.tar"))
    damaged = bytearray(shard.read_bytes())
    damaged[700] ^= 1
    shard.write_bytes(damaged)
    with pytest.raises(DataError, match="SHA-256"):
        evaluate.run(workspace, ITEM, said.reporter)
    assert not workspace.layout.metrics(CELL).exists()
