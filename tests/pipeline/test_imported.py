"""A poisoned set goes out with `asd export --with-truth` and comes back, unchanged, as attack `imported`."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from asd import store
from asd.audit.web.app import create_app
from asd.audit.web.settings import Settings
from asd.cli import main
from asd.layout import Cell, Layout
from asd.params import load_workspace
from asd.params_file import set_params
from asd.shards.manifest import read_index, read_manifest
from asd.shards.read import open_view
from asd.sources import describe, set_source
from asd.truth import read_probe_truth, read_truth

WAS = Cell("digits", "badnets", "asd", 0)
IS = Cell("given", "imported", "asd", 0)
FORMS = {
    "parquet": ("train.parquet", "triggered.parquet"),
    "imagefolder": ("train.csv", "triggered.csv"),
    "webdataset": ("train.csv", "triggered.parquet"),
}


def exported(pipeline: Any, folder: Path, form: str) -> Path:
    words = ["export", "digits", str(folder), "--format", form, "--attack", "badnets", "--with-truth"]
    assert main([*words, "--workspace", str(pipeline.root)]) == 0
    return folder


def hash_of(file: Path) -> str:
    """A Parquet file's own, else that of the folder with the pictures."""
    return str(describe(file if file.suffix == ".parquet" else file.parent)["content_sha256"])


def receive(make_pipeline: Callable[..., Any], folder: Path, form: str, triggered: bool = True) -> Any:
    pipeline = make_pipeline(f"w-{form}", "cells.attacks=[badnets]")
    roles, test = (folder / name for name in FORMS[form])
    changes = [
        f"datasets.given.use={form}",
        "datasets.given.channels=1",
        "datasets.given.trusted=true",
        "attacks.imported.use=imported",
        f"attacks.imported.prepare.roles={roles}",
        f"attacks.imported.prepare.roles_sha256={hash_of(roles)}",
        "cells.datasets=[given]",
        "cells.attacks=[imported]",
    ]
    if triggered:
        changes += [
            f"attacks.imported.prepare.triggered={test}",
            f"attacks.imported.prepare.triggered_sha256={hash_of(test)}",
        ]
    set_params(pipeline.root, changes)
    set_source(pipeline.layout, "given", folder)
    return pipeline


def view_of(pipeline: Any, cell: Cell) -> Any:
    layout = pipeline.layout
    overlay = layout.poisoned(cell.dataset, cell.attack, "train")
    return open_view(layout.fetched(cell.dataset, "train"), overlay=overlay, pixel_cache=layout.pixel_cache)


def by_content(pipeline: Any, cell: Cell) -> dict[tuple[str, int], Any]:
    """What each sample is: picture and label -> role and label before."""
    index, truth = (
        view_of(pipeline, cell).index,
        read_truth(pipeline.layout.truth(cell.dataset, cell.attack)),
    )
    roles = dict(
        zip(truth.keys, zip(truth.roles, truth.labels_before.tolist(), strict=True), strict=True),
    )
    pairs = zip(index.content, index.labels.tolist(), strict=True)
    return {pair: roles.get(key) for key, pair in zip(index.keys, pairs, strict=True)}


def triggered_of(layout: Layout, cell: Cell) -> Counter[tuple[str, int, str]]:
    """Each triggered test picture: its content, the wanted label, the content of its clean picture."""
    test = read_index(layout.fetched(cell.dataset, "test"))
    triggered = read_index(layout.poisoned(cell.dataset, cell.attack, "test"))
    clean = dict(zip(test.keys, test.content, strict=True))
    pairs = zip(triggered.content, triggered.labels.tolist(), strict=True)
    return Counter((*pair, clean[key]) for key, pair in zip(triggered.keys, pairs, strict=True))


def page_of(layout: Layout, cell: Cell) -> str:
    """The run's page of `asd audit serve`."""
    answer = TestClient(create_app(Settings(layout)), base_url="http://127.0.0.1:8765").get(f"/run/{cell}")
    assert answer.status_code == 200
    return answer.text


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "form", ["parquet", pytest.param("imagefolder", marks=SLOW), pytest.param("webdataset", marks=SLOW)]
)
def test_what_goes_out_comes_back(
    finished: Any, make_pipeline: Callable[..., Any], tmp_path: Path, form: str
) -> None:
    given = receive(make_pipeline, exported(finished, tmp_path / "out", form), form)
    given.steps([IS], ("fetch", "prepare", "poison"))

    layout = given.layout
    assert read_manifest(layout.poisoned("given", "imported", "train")).count == 0
    truth = read_truth(layout.truth("given", "imported"))
    assert (len(truth.keys), set(truth.roles)) == (20, {"poisoned"})
    assert by_content(given, IS) == by_content(finished, WAS)
    was, now = view_of(finished, WAS), view_of(given, IS)
    order = {content: row for row, content in enumerate(now.index.content)}
    rows = [order[content] for content in was.index.content]
    assert np.array_equal(now.images[rows], was.images)
    assert triggered_of(given.layout, IS) == triggered_of(finished.layout, WAS)


@pytest.mark.slow
def test_a_run_on_what_came_back_is_the_same_run(
    finished: Any, make_pipeline: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = receive(make_pipeline, exported(finished, tmp_path / "out", "parquet"), "parquet")
    given.steps([IS])

    old, new = (store.read_json(place.layout.metrics(cell)) for place, cell in ((finished, WAS), (given, IS)))
    names = {"dataset", "attack"}
    assert {k: v for k, v in new.items() if k not in names} == {
        k: v for k, v in old.items() if k not in names
    }
    old, new = (
        store.read_json(place.layout.audit_pools(cell)) for place, cell in ((finished, WAS), (given, IS))
    )
    assert new["final"] == old["final"]
    assert new["planted"] == 20
    page = given.layout.audit_report(IS).read_text()
    assert "The data set came poisoned" in page
    capsys.readouterr()
    assert main(["table", "--workspace", str(given.root)]) == 0
    assert str(IS) in capsys.readouterr().out


@pytest.mark.slow
def test_the_clean_pictures_of_the_triggered_ones_may_be_missing(
    finished: Any, make_pipeline: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported(finished, tmp_path / "out", "imagefolder")
    listing = folder / "triggered.csv"
    with listing.open(newline="") as stream:
        rows = [{"path": row["path"], "label": row["label"]} for row in csv.DictReader(stream)]
    with listing.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["path", "label"])
        writer.writeheader()
        writer.writerows(rows)
    given = receive(make_pipeline, folder, "imagefolder")
    set_params(given.root, ["cells.defenses=[none]", "gates.most_asr=1.0"])
    cell = Cell("given", "imported", "none", 0)
    given.steps([cell])

    metrics = store.read_json(given.layout.metrics(cell))
    assert metrics["n_asr"] == len(rows)
    assert (metrics["asr_base"], metrics["n_asr_base"], metrics["asr_minus_base"]) == (None, None, None)
    assert metrics["why_asr_base"].endswith("none of them")
    truth = read_probe_truth(given.layout.probe_truth("given", "imported"))
    assert {key[:6] for key in np.array(truth.test_keys)[truth.triggered]} == {"alone_"}
    page = given.layout.audit_report(cell).read_text()
    assert "without the trigger not known" in page
    page = page_of(given.layout, cell)
    assert "without trigger not known" in page
    assert "The data set came poisoned" in page
    capsys.readouterr()
    for words in (["table"], ["audit", "summary", str(cell)]):
        assert main([*words, "--workspace", str(given.root)]) == 0
    said = capsys.readouterr().out
    assert "asr base –: the clean pictures of the triggered ones are not known" in said
    assert "(without attack not known)" in said


@pytest.mark.slow
def test_without_a_triggered_set_there_is_no_attack_success_and_without_roles_no_purity(
    finished: Any, make_pipeline: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported(finished, tmp_path / "out", "parquet")
    given = receive(make_pipeline, folder, "parquet", triggered=False)
    set_params(given.root, ["cells.defenses=[none]"])
    cell = Cell("given", "imported", "none", 0)
    given.steps([cell])
    assert store.read_json(given.layout.metrics(cell))["asr"] is None
    pools = store.read_json(given.layout.audit_pools(cell))
    assert (pools["planted"], pools["final"]["poisoned"]) == (20, 20)
    assert "no triggered test image counts" in given.layout.audit_report(cell).read_text()

    set_params(given.root, ["attacks.imported.prepare.roles=", "datasets.given.trusted=false"])
    set_params(given.root, ["seeds.use=keys"])
    load_workspace(given.root)
    given.steps([cell], ("fetch", "prepare", "poison"))
    assert read_truth(given.layout.truth("given", "imported")).keys == ()
    capsys.readouterr()
    words = ["export", "given", str(tmp_path / "again"), "--format", "parquet", "--attack", "imported"]
    assert main([*words, "--with-truth", "--workspace", str(given.root)]) == 3
    assert "no truth to write" in capsys.readouterr().err


def test_the_preview_shows_what_came(
    finished: Any, make_pipeline: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = receive(make_pipeline, exported(finished, tmp_path / "out", "parquet"), "parquet")
    given.step("fetch", IS)
    capsys.readouterr()
    words = [
        "attack",
        "preview",
        "imported",
        "--dataset",
        "given",
        "--out",
        str(tmp_path / "p.png"),
        "--json",
    ]
    assert main([*words, "--workspace", str(given.root)]) == 0
    found = json.loads(capsys.readouterr().out)
    train, test = found["parts"]
    assert (train["psnr"], train["pictures"], set(train["after"])) == (None, None, {"3"})
    assert "3" not in train["before"]
    assert test["psnr"] > 10
    assert set(test["after"]) == {"3"}
