"""`asd export`: what is written reads back with identical pixels, by our readers and by others."""

import csv
import gc
import io
import json
import warnings

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from asd import export as exporting
from asd import store
from asd.cli import main
from asd.datasets import imagefolder, parquet
from asd.errors import DataError, ParamsError
from asd.layout import Cell, Layout
from asd.params import load_workspace
from asd.progress import Reporter
from asd.shards.manifest import read_manifest
from asd.shards.read import iter_samples
from asd.shards.write import write_shards
from asd.truth import PoisonTruth, write_truth
from asd.types import Sample, content_sha256

CELL = "pets/badnets/asd/0"
VERDICTS = ["seed", "clean", "hard-clean", "suspect", "unused", "clean"]
REPORTER = Reporter("test", "", io.StringIO())


def picture(n, mark=0):
    image = np.random.default_rng(n).integers(0, 200, (3, 8, 8), dtype=np.uint8)
    image[:, 0, 0] = mark
    return image


def write(folder, samples, names=("cat", "dog"), base=None):
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary, samples, name="pets", split="train", class_names=names, image_shape=(3, 8, 8),
            trusted=False, base=base,
        )  # fmt: skip


def make_workspace(root, names=("cat", "dog"), sources="pets"):
    params = {
        "cells": {"datasets": ["pets"], "attacks": ["badnets"], "defenses": ["asd", "none"]},
        "datasets": {"pets": {"use": "imagefolder"}},
        "attacks": {"badnets": {"target_label": 1}},
        "defenses": {"asd": {}, "none": {}},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_text("stages: {}\n")
    layout = Layout(root)
    samples = [Sample(f"train_{i}", picture(i), i % 2, f"{sources}/{i}.png") for i in range(6)]
    write(layout.fetched("pets", "train"), samples, names)
    base = read_manifest(layout.fetched("pets", "train"))
    write(
        layout.poisoned("pets", "badnets", "train"),
        [Sample("train_2", picture(2, 255), 1, "hidden")],
        names,
        base,
    )
    return load_workspace(root)


def write_truth_of(layout):
    """Sample 2 was planted; one test picture, clean and triggered."""
    write_truth(
        layout.truth("pets", "badnets"),
        PoisonTruth(("train_2",), ("poisoned",), np.array([0], dtype=np.int64)),
    )
    write(layout.fetched("pets", "test"), [Sample("test_0", picture(50), 0, "pets/50.png")])
    write(layout.poisoned("pets", "badnets", "test"), [Sample("test_0", picture(50, 255), 1, "pets/50.png")])


def merged():
    """What the cell saw: sample 2 carries the trigger and another label."""
    return [(f"train_{i}", picture(i, 255 if i == 2 else 0), 1 if i == 2 else i % 2) for i in range(6)]


def write_audit(layout, verdicts=VERDICTS, defense="asd", extra=0):
    rows = merged() + [(f"seed_{i}", picture(90 + i), 0) for i in range(extra)]
    table = pa.table(
        {
            "key": [key for key, _, _ in rows],
            "content_sha256": [content_sha256(image) for _, image, _ in rows],
            "label": [label for _, _, label in rows],
            "verdict": pa.array([*verdicts, *["seed"] * extra], pa.string()),
            "truth_role": ["poisoned" if key == "train_2" else "clean" for key, _, _ in rows],
            "truth_label_before": [label if key != "train_2" else 0 for key, _, label in rows],
        }
    )
    store.write_parquet(layout.audit_samples(Cell("pets", "badnets", defense, 0)), table)


@pytest.fixture
def workspace(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()
    made = make_workspace(root)
    write_audit(made.layout)
    write_truth_of(made.layout)
    return made


def run(workspace, folder, form="webdataset", **choice):
    options = {"cell": None, "attack": None, "only": (), "with_truth": False} | choice
    wanted = exporting.choose(workspace, "pets", **options)
    return exporting.export(workspace, wanted, folder, form)


def index_of(folder):
    return list(csv.DictReader(io.StringIO((folder / "index.csv").read_text())))


def test_our_reader_reads_a_webdataset_back_with_the_attack_merged_in(workspace, tmp_path):
    run(workspace, tmp_path / "out", attack="badnets")
    found = list(iter_samples(tmp_path / "out" / "train"))
    assert [(s.key, s.label) for s in found] == [(key, label) for key, _, label in merged()]
    assert all(np.array_equal(s.image, image) for s, (_, image, _) in zip(found, merged(), strict=True))


def test_stock_webdataset_reads_identical_pixels(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("WDS_SECURE", "1")
    run(workspace, tmp_path / "out", attack="badnets")
    tar = str(tmp_path / "out" / "train" / "shard-000000.tar")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # webdataset leaves its files open
        import webdataset

        rows = {row["__key__"]: row for row in webdataset.WebDataset(tar, shardshuffle=False)}
        gc.collect()
    for key, image, label in merged():
        pixels = np.asarray(Image.open(io.BytesIO(rows[key]["png"]))).transpose(2, 0, 1)
        assert np.array_equal(pixels, image)
        assert int(rows[key]["cls"]) == label


def test_our_parquet_data_set_reads_pixels_labels_and_class_names_back(workspace, tmp_path):
    run(workspace, tmp_path / "out", "parquet", attack="badnets")
    loaded = parquet.load(parquet.Params(held_out=0.5), "train", tmp_path / "out", REPORTER)
    assert loaded.class_names == ("cat", "dog")
    table = store.read_parquet(tmp_path / "out" / "train.parquet")
    assert table.column_names == ["img", "label"]
    for row, (key, image, label) in zip(table.to_pylist(), merged(), strict=True):
        pixels = parquet.Params().decode(row["img"]["bytes"], key)
        assert np.array_equal(pixels, image)
        assert (row["label"], row["img"]["path"]) == (label, f"{key}.png")


def test_our_image_folder_data_set_reads_pixels_and_classes_back(workspace, tmp_path):
    run(workspace, tmp_path / "out", "imagefolder", attack="badnets")
    (tmp_path / "out" / "test").symlink_to(tmp_path / "out" / "train")
    loaded = imagefolder.load(imagefolder.Params(), "train", tmp_path / "out", REPORTER)
    found = {s.source.rpartition("/")[2]: (s.image, s.label) for s in loaded.samples}
    for key, image, label in merged():
        assert np.array_equal(found[f"{key}.png"][0], image)
        assert found[f"{key}.png"][1] == label


def test_without_an_attack_the_data_are_as_published(workspace, tmp_path):
    run(workspace, tmp_path / "out")
    third = list(iter_samples(tmp_path / "out" / "train"))[2]
    assert (third.label, third.image[0, 0, 0]) == (0, 0)


def test_only_the_samples_with_the_named_verdicts_are_written(workspace, tmp_path):
    counts = run(workspace, tmp_path / "out", cell=CELL, only=("seed", "clean", "hard-clean"))
    assert [row["key"] for row in index_of(tmp_path / "out")] == ["train_0", "train_1", "train_2", "train_5"]
    assert counts["samples"] == 4
    assert counts["of"] == 6
    assert counts["classes"] == {"cat": 1, "dog": 3}
    assert counts["verdicts"]["clean"] == 2
    assert counts["verdicts"]["suspect"] == 0


def test_the_run_that_judges_need_not_be_named_where_there_is_one(workspace, tmp_path):
    run(workspace, tmp_path / "out", only=("seed", "clean"))
    assert [row["key"] for row in index_of(tmp_path / "out")] == ["train_0", "train_1", "train_5"]


def test_of_several_runs_that_judge_one_must_be_named(tmp_path):
    made = make_workspace(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["cells"]["trials"] = [0, 1]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ParamsError, match=r"2 cells could \(pets/badnets/asd/0, pets/badnets/asd/1\)"):
        run(load_workspace(made.layout.root), tmp_path / "out", only=("seed",))


def test_a_formula_of_a_stranger_is_disarmed_in_the_index_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_LINES_AT_ONCE", 4)  # six lines are two parts
    (tmp_path / "w").mkdir()
    workspace = make_workspace(tmp_path / "w", ("=cmd()", "a,b"), "@pets")

    run(workspace, tmp_path / "out", "parquet", attack="badnets")

    lines = index_of(tmp_path / "out")
    assert [line["class_name"] for line in lines] == ["'=cmd()", "a,b", "a,b", "a,b", "'=cmd()", "a,b"]
    assert [line["source"] for line in lines] == [f"'@pets/{i}.png" for i in range(6)]
    assert [line["key"] for line in lines] == [f"train_{i}" for i in range(6)]
    loaded = parquet.load(parquet.Params(), "train", tmp_path / "out", REPORTER)
    assert loaded.class_names == ("=cmd()", "a,b")


def test_the_index_says_key_label_class_verdict_and_source_and_no_truth(workspace, tmp_path):
    run(workspace, tmp_path / "out", cell=CELL)
    assert index_of(tmp_path / "out")[2] == {
        "key": "train_2",
        "label": "1",
        "class_name": "dog",
        "verdict": "hard-clean",
        "source": "pets/2.png",
    }


def test_nothing_in_an_export_tells_what_was_planted(workspace, tmp_path):
    run(workspace, tmp_path / "out", attack="badnets")
    everything = b"".join(f.read_bytes() for f in (tmp_path / "out").rglob("*") if f.is_file())
    assert b"truth" not in everything
    assert b"hidden" not in everything


def test_the_truth_is_written_where_it_is_asked_for(workspace, tmp_path):
    run(workspace, tmp_path / "out", cell=CELL, with_truth=True)
    rows = index_of(tmp_path / "out")
    assert [(row["truth_role"], row["truth_label_before"]) for row in rows[1:3]] == [
        ("unknown", ""),  # nobody vouches for the data
        ("poisoned", "0"),
    ]


def test_with_the_truth_the_parquet_has_roles_and_the_test_sets_come_too(workspace, tmp_path):
    counts = run(workspace, tmp_path / "out", "parquet", attack="badnets", with_truth=True)
    assert (counts["test"], counts["triggered"]) == (1, 1)
    table = store.read_parquet(tmp_path / "out" / "train.parquet")
    assert table.column_names == ["img", "label", "original_label", "role"]
    assert table["original_label"].to_pylist() == [None, None, 0, None, None, None]
    assert table["role"].to_pylist() == ["unknown", "unknown", "poisoned", *["unknown"] * 3]
    (test,) = store.read_parquet(tmp_path / "out" / "test.parquet").to_pylist()
    assert np.array_equal(parquet.Params().decode(test["img"]["bytes"], "x"), picture(50))
    (one,) = store.read_parquet(tmp_path / "out" / "triggered.parquet").to_pylist()
    assert np.array_equal(parquet.Params().decode(one["img"]["bytes"], "x"), picture(50, 255))
    assert (one["label"], one["original_label"]) == (1, 0)
    assert one["clean_sha256"] == content_sha256(picture(50))


def test_with_the_truth_an_image_folder_has_lists_beside_it(workspace, tmp_path):
    run(workspace, tmp_path / "out", "imagefolder", attack="badnets", with_truth=True)
    lines = (tmp_path / "out" / "train.csv").read_text().splitlines()
    assert lines[0] == "path,label,original_label,role"
    assert lines[3] == "train/dog/train_2.png,dog,cat,poisoned"
    lines = (tmp_path / "out" / "triggered.csv").read_text().splitlines()
    assert lines == [
        "path,label,original_label,clean_sha256",
        f"triggered/dog/test_0.png,dog,cat,{content_sha256(picture(50))}",
    ]


def test_our_data_set_reads_the_same_samples_whether_the_truth_is_there_or_not(workspace, tmp_path):
    found = []
    for with_truth in (True, False):
        folder = tmp_path / str(with_truth)
        run(workspace, folder, "parquet", attack="badnets", with_truth=with_truth)
        loaded = parquet.load(parquet.Params(held_out=0.5), "train", folder / "train.parquet", REPORTER)
        found.append([(s.key, s.content_sha256, s.label, s.source) for s in loaded.samples])
    assert len(found[0]) > 0
    assert len(found[0][0]) == 4
    # held_out draws by the picture's bytes, so both hold out the same ones
    assert found[0] == found[1]


def test_a_truth_that_was_never_made_names_the_command_that_makes_it(workspace, tmp_path):
    workspace.layout.truth("pets", "badnets").unlink()
    with pytest.raises(DataError, match=r"truth/pets/badnets.parquet is not there yet; `asd run`"):
        run(workspace, tmp_path / "out", attack="badnets", with_truth=True)


def test_seeds_from_outside_the_training_set_are_not_exported(workspace, tmp_path):
    write_audit(workspace.layout, extra=2)
    assert run(workspace, tmp_path / "out", cell=CELL)["samples"] == 6


def test_the_same_export_gives_the_same_bytes(workspace, tmp_path):
    for form in ("webdataset", "parquet", "imagefolder"):
        found = []
        for name in ("a", "b"):
            folder = tmp_path / form / name
            run(workspace, folder, form, cell=CELL)
            files = sorted(f for f in folder.rglob("*") if f.is_file())
            found.append([(f.relative_to(folder), f.read_bytes()) for f in files])
        assert found[0] == found[1]


def test_a_folder_that_holds_something_is_refused_and_left_alone(workspace, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ParamsError, match="not empty"):
        run(workspace, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_export_that_fails_leaves_no_folder(tmp_path):
    made = make_workspace(tmp_path, names=("cat", "../dog"))
    with pytest.raises(DataError, match="cannot be the name of a folder"):
        run(made, tmp_path / "out", "imagefolder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"only": ("seed",), "attack": "none"}, "no cell can: give --cell"),
        ({"only": ("sead",), "cell": CELL}, "did you mean .seed."),
        ({"cell": "pets"}, "is 2 cells"),
        ({"cell": CELL, "attack": "none"}, "leave out --attack"),
        ({"attack": "blend"}, "no attacks.blend"),
        ({"with_truth": True}, "give --attack A or --cell"),
    ],
)
def test_a_choice_that_makes_no_sense_is_said_in_a_line(workspace, tmp_path, choice, message):
    with pytest.raises(ParamsError, match=message):
        run(workspace, tmp_path / "out", **choice)


def test_an_unknown_format_is_refused(workspace, tmp_path):
    with pytest.raises(ParamsError, match="webdataset, parquet, imagefolder"):
        run(workspace, tmp_path / "out", "zip")


def test_a_cell_without_an_audit_names_the_command_that_makes_one(workspace, tmp_path):
    with pytest.raises(DataError, match="asd run pets/badnets/none/0"):
        run(workspace, tmp_path / "out", cell="pets/badnets/none/0")


def test_a_run_without_verdicts_cannot_choose(workspace, tmp_path):
    write_audit(workspace.layout, verdicts=[None] * 6, defense="none")
    with pytest.raises(DataError, match="gave no verdicts"):
        run(workspace, tmp_path / "out", cell="pets/badnets/none/0")


def test_an_audit_of_other_data_is_refused(workspace, tmp_path):
    write(workspace.layout.fetched("pets", "train"), [Sample("train_0", picture(7), 0, "pets/0.png")])
    layout = workspace.layout
    base = read_manifest(layout.fetched("pets", "train"))
    write(layout.poisoned("pets", "badnets", "train"), [], base=base)
    with pytest.raises(DataError, match="other data"):
        run(workspace, tmp_path / "out", cell=CELL)


def test_verdicts_that_nobody_has_export_nothing(workspace, tmp_path):
    with pytest.raises(DataError, match="nothing to export"):
        run(workspace, tmp_path / "out", cell=CELL, only=("undecided",))
    assert not (tmp_path / "out").exists()


def test_data_that_are_not_there_yet_name_the_next_command(workspace, tmp_path):
    store._remove(workspace.layout.fetched("pets", "train"))
    with pytest.raises(DataError, match="asd run"):
        run(workspace, tmp_path / "out")


def test_the_command_says_how_many_of_what(workspace, tmp_path, capsys):
    place, out = str(workspace.layout.root), str(tmp_path / "out")
    words = ["export", "pets", out, "--format", "parquet", "--cell", CELL, "--only", "seed, clean"]
    assert main([*words, "--workspace", place]) == 0
    said = capsys.readouterr().out
    assert "wrote 3 of 6 samples" in said
    assert "verdicts: seed 1, clean 2" in said
    assert "classes: cat 1, dog 2" in said


def test_the_command_prints_json(workspace, tmp_path, capsys):
    words = ["export", "pets", str(tmp_path / "out"), "--format", "parquet", "--json"]
    assert main([*words, "--workspace", str(workspace.layout.root)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["samples"], found["format"], found["verdicts"]) == (6, "parquet", None)
