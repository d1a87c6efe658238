"""`asd init --data`: every form, and safe to run again."""

from __future__ import annotations

import errno
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from asd import new_workspace, store
from asd.cli import main
from asd.own_data.workspace import create_around
from asd.params import load_workspace
from asd.params_file import check_variants, complete_params
from asd.progress import Reporter
from asd.registry import Registry
from asd.sources import check_source
from asd.steps import StepItem, fetch
from tests.unit.own_data.pictures import class_folders, encoded, labelled, parquet, tar


def folders(root: Path) -> Path:
    return class_folders(root, {"cat": 40, "dog": 40})


def split_folders(root: Path) -> Path:
    class_folders(root / "train", {"cat": 40, "dog": 40})
    class_folders(root / "test", {"cat": 5, "dog": 5}, start=500)
    return root


def only_train(root: Path) -> Path:
    class_folders(root / "train", {"cat": 40, "dog": 40})
    class_folders(root / "val", {"cat": 5, "dog": 5}, start=500)
    return root


def parquet_file(root: Path) -> Path:
    return parquet(root / "all.parquet", ["cat", "dog"] * 40)


def parquet_folder(root: Path) -> Path:
    parquet(root / "data" / "train-00000-of-00001.parquet", ["cat", "dog"] * 40)
    parquet(root / "data" / "test-00000-of-00001.parquet", ["cat", "dog"], start=500)
    return root


def tars(root: Path) -> Path:
    members = []
    for i in range(80):
        members += [(f"{i:03d}.jpg", encoded(i, form="JPEG")), (f"{i:03d}.cls", [b"dog", b"cat"][i % 2])]
    for number in (0, 1):
        tar(root / f"shard-{number}.tar", members[number * 80 : number * 80 + 80])
    return root


def labels_file(root: Path) -> Path:
    return labelled(root)


FORMS: list[tuple[Callable[[Path], Path], str, dict[str, object]]] = [
    (folders, "imagefolder", {"held_out": 0.2}),
    (split_folders, "imagefolder", {}),
    (only_train, "imagefolder", {"held_out": 0.2}),
    (parquet_file, "parquet", {"held_out": 0.2}),
    (parquet_folder, "parquet", {}),
    (tars, "webdataset", {"held_out": 0.2}),
    (labels_file, "csv", {"held_out": 0.2, "labels": "labels.csv"}),
]


@pytest.mark.parametrize(
    ("make", "plugin", "wanted"), FORMS, ids=lambda value: getattr(value, "__name__", "")
)
def test_data_of_every_form_become_a_workspace_that_fetches(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], Path],
    plugin: str,
    wanted: dict[str, object],
) -> None:
    data = make(tmp_path / "Vendor 7")
    assert main(["init", str(tmp_path / "w"), "--data", str(data)]) == 0
    out = capsys.readouterr().out
    said = out.splitlines()[-3:]
    assert [line.split("#")[0].rstrip() for line in said] == [
        f"next: cd {tmp_path / 'w'}",
        "      asd seeds sheet",
        "      asd run",
    ]
    workspace = load_workspace(tmp_path / "w")
    assert complete_params(tmp_path / "w") == []
    check_variants(workspace)
    (name,) = workspace.params.cells.datasets
    section = workspace.params.datasets[name]
    assert section["use"] == plugin
    assert section["class_names"] == ["cat", "dog"]
    assert not section["trusted"]
    assert {key: section.get(key) for key in ("held_out", "labels") if key in section} == wanted
    fetch.run(workspace, StepItem(name), Reporter("fetch", name))
    assert "held_out" in wanted or "test" in str(sorted(workspace.layout.data.rglob("*.tar")))


def test_a_labels_file_is_given_by_name(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    (data / "other.csv").write_text((data / "labels.csv").read_text())
    labels = ["--labels", str(data / "other.csv")]
    assert main(["init", str(tmp_path / "w"), "--data", str(data), *labels]) == 0
    assert load_workspace(tmp_path / "w").params.datasets["data"]["labels"] == "other.csv"


def test_json_holds_survey_and_recipe_and_nothing_else_is_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "w"), "--data", str(folders(tmp_path / "data")), "--json"]) == 0
    streams = capsys.readouterr()
    facts = json.loads(streams.out)
    assert facts["survey"]["counts"] == [40, 40]
    assert facts["survey"]["modes"] == {"RGB": 80}
    assert {"key": "cells.datasets", "value": ["data"], "why": ""} in facts["recipe"]["choices"]
    assert "init data: pictures 80/80" in streams.err


def test_the_size_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    assert main(["init", str(tmp_path / "w"), "--data", str(data), "--image-size", "48"]) == 0
    assert load_workspace(tmp_path / "w").params.datasets["data"]["image_size"] == 48


# -- again -------------------------------------------------------------------------------


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_run_again_it_changes_nothing(tmp_path: Path) -> None:
    data, quiet = folders(tmp_path / "data"), Reporter("init", "data", io.StringIO())
    create_around(tmp_path / "w", data, quiet)
    before = files(tmp_path / "w")
    assert create_around(tmp_path / "w", data, quiet).made.written == ()
    assert files(tmp_path / "w") == before


@pytest.mark.parametrize("at", range(1, 9))
def test_cut_short_at_any_write_it_is_mended_by_running_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    data = folders(tmp_path / "data")
    words = ["--data", str(data)]
    assert main(["init", str(tmp_path / "whole"), *words]) == 0
    writes = 0
    write_template, set_source = new_workspace._write, create_around.__globals__["set_source"]

    def cut(original: Callable[..., object]) -> Callable[..., object]:
        def maybe(*arguments: object) -> object:
            nonlocal writes
            writes += 1
            if writes == at:
                raise KeyboardInterrupt
            return original(*arguments)

        return maybe

    with monkeypatch.context() as patch:
        patch.setattr(new_workspace, "_write", cut(write_template))
        patch.setitem(create_around.__globals__, "set_source", cut(set_source))
        code = main(["init", str(tmp_path / "w"), *words])
    assert code == (130 if writes == at else 0)
    if writes == at:
        assert not (tmp_path / "w" / "params.yaml").exists()
    assert main(["init", str(tmp_path / "w"), *words]) == 0
    assert files(tmp_path / "w") == files(tmp_path / "whole")
    check_source(load_workspace(tmp_path / "w").layout, "data")


def test_a_full_disk_is_told_and_mended_by_running_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(folders(tmp_path / "data"))]

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(store, "fsync", full)
        assert main(["init", str(tmp_path / "w"), *words]) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"asd: disk full while writing .*; free some space and run again", said)
    assert not (tmp_path / "w" / "params.yaml").exists()
    assert main(["init", str(tmp_path / "w"), *words]) == 0


def test_params_that_somebody_changed_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folders(tmp_path / "data")
    assert main(["init", str(tmp_path / "w"), "--data", str(data)]) == 0
    params = tmp_path / "w" / "params.yaml"
    params.write_text(params.read_text() + "# mine\n")
    capsys.readouterr()
    assert main(["init", str(tmp_path / "w"), "--data", str(data)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}/w is a workspace already, with another params.yaml: `cd {tmp_path}/w`" in error
    assert params.read_text().endswith("# mine\n")


def test_a_workspace_of_a_preset_is_refused_before_a_picture_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "w")]) == 0
    capsys.readouterr()
    assert main(["init", str(tmp_path / "w"), "--data", str(folders(tmp_path / "data"))]) == 2
    error = capsys.readouterr().err
    assert "is a workspace already, with another params.yaml" in error
    assert "pictures" not in error


def test_a_folder_with_somebodys_files_is_refused_before_a_picture_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.tex").touch()
    assert main(["init", str(tmp_path / "w"), "--data", str(folders(tmp_path / "data"))]) == 2
    error = capsys.readouterr().err
    assert "is neither empty nor in a git repository nor a workspace (it holds thesis.tex)" in error
    assert "pictures" not in error
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["thesis.tex"]


def test_every_data_set_for_anybodys_pictures_can_be_surveyed() -> None:
    registry = Registry("datasets")
    able = [name for name in registry.names() if hasattr(registry.get(name), "open_table")]
    assert able == ["csv", "imagefolder", "parquet", "webdataset"]
