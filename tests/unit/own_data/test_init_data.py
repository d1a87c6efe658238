"""`asd init --data`: every form, and every mistake of a newcomer answered in a line or two."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from asd import new_workspace
from asd.cli import main
from asd.own_data.workspace import create_around
from asd.params import load_workspace
from asd.params_file import check_variants, complete_params
from asd.progress import Reporter
from asd.registry import Registry
from asd.sources import check_source
from asd.steps import StepItem, fetch
from tests.unit.own_data.pictures import class_folders, encoded, labelled, parquet, tar, write


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
    assert out.splitlines()[-3:] == [f"next: cd {tmp_path / 'w'}", "      asd seeds sheet", "      asd run"]
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


# -- mistakes ----------------------------------------------------------------------------


def empty(root: Path) -> list[str]:
    root.mkdir()
    return [str(root)]


def documents(root: Path) -> list[str]:
    write(root / "a" / "thesis.pdf", b"%PDF")
    return [str(root)]


def flat(root: Path) -> list[str]:
    write(root / "1.png", encoded(1))
    write(root / "2.png", encoded(2))
    return [str(root)]


def one_class(root: Path) -> list[str]:
    return [str(class_folders(root, {"cat": 60}))]


def one_level_too_high(root: Path) -> list[str]:
    class_folders(root / "images", {"cat": 40, "dog": 40})
    return [str(root)]


def differ_in_case(root: Path) -> list[str]:
    return [str(class_folders(root, {"Cat": 30, "cat": 30}))]


def three_images(root: Path) -> list[str]:
    return [str(class_folders(root, {"cat": 60, "dog": 3}))]


def too_few_after_the_test_part(root: Path) -> list[str]:
    # by content, some of these five fall into the test part
    return [str(class_folders(root, {"cat": 62, "dog": 5}))]


def tiny(root: Path) -> list[str]:
    return [str(class_folders(root, {"cat": 40, "dog": 40}, side=1))]


def few_in_all(root: Path) -> list[str]:
    return [str(class_folders(root, {"cat": 20, "dog": 20}))]


def nothing_readable(root: Path) -> list[str]:
    for i in range(60):
        write(root / ("cat" if i % 2 else "dog") / f"{i}.jpg", b"II*\0 a TIFF")
    return [str(root)]


def dark_16_bit(root: Path) -> list[str]:
    import numpy as np
    from PIL import Image

    for i in range(60):
        path = root / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), 4000 + i, np.uint16)).save(path)
    return [str(root)]


def missing_image(root: Path) -> list[str]:
    labelled(root)
    (root / "images" / "7.png").unlink()
    return [str(root)]


def labels_elsewhere(root: Path) -> list[str]:
    labelled(root / "in")
    (root / "labels.csv").write_text((root / "in" / "labels.csv").read_text())
    return [str(root / "in"), "--labels", str(root / "labels.csv")]


def no_such_labels(root: Path) -> list[str]:
    labelled(root)
    return [str(root), "--labels", str(root / "label.csv")]


def several_labels(root: Path) -> list[str]:
    labelled(root)
    (root / "more.csv").write_text((root / "labels.csv").read_text())
    return [str(root)]


def a_zip(root: Path) -> list[str]:
    write(root / "data.zip", b"PK")
    return [str(root / "data.zip")]


def a_picture(root: Path) -> list[str]:
    write(root / "1.png", encoded(1))
    return [str(root / "1.png")]


def nowhere(root: Path) -> list[str]:
    return [str(root)]


def unnamed_parquet(root: Path) -> list[str]:
    for part in ("a", "b"):
        parquet(root / f"part-{part}.parquet", ["cat", "dog"] * 3)
    return [str(root)]


def labels_from_one(root: Path) -> list[str]:
    return [str(parquet(root / "all.parquet", [1, 2] * 30))]


def linked_folder(root: Path) -> list[str]:
    folders(root / "data")
    os.symlink(root / "data" / "cat", root / "data" / "lynx")
    return [str(root / "data")]


def empty_class(root: Path) -> list[str]:
    (folders(root) / "bird").mkdir()
    return [str(root)]


def preset_too(root: Path) -> list[str]:
    return [str(folders(root)), "--preset", "digits"]


def size_of_nothing(root: Path) -> list[str]:
    return [str(folders(root)), "--image-size", "4"]


MISTAKES: list[tuple[Callable[[Path], list[str]], int, str]] = [
    (nowhere, 2, "--data: .* does not exist"),
    (empty, 3, "is an empty folder; wanted class folders"),
    (documents, 3, r"holds 1 files but no picture \(such as a/thesis.pdf\)"),
    (flat, 3, "no class folders and no CSV of path and label; put the pictures of each class in a folder"),
    (a_picture, 3, "is a file, but neither .parquet, .tar nor .csv; give the folder"),
    (a_zip, 3, "unpack it and give the folder"),
    (one_class, 3, "one class folder only, 'cat'; a classifier needs two or more"),
    (one_level_too_high, 3, "one class folder only, 'images'.*did you mean --data .*/images"),
    (differ_in_case, 3, "classes 'Cat' and 'cat' differ only in case"),
    (empty_class, 3, "class folder .*bird is empty"),
    (three_images, 3, "too few pictures of class 'dog' 3; wanted at least 5 each"),
    (
        too_few_after_the_test_part,
        3,
        r"too few training images \(after the test part\) of class 'dog' [0-4];",
    ),
    (few_in_all, 3, r"\d\d training images; wanted at least 50"),
    (tiny, 3, "the pictures are 1x1 .*wanted at least 8x8"),
    (nothing_readable, 3, "none of 60 pictures can be read; of the first, cat/1.jpg: not a PNG, JPEG"),
    (dark_16_bit, 3, "use only the values 0 to 4059 of 65535.*stretch them"),
    (missing_image, 3, r"labels.csv line 9: no file 'images/7.png' in "),
    (no_such_labels, 2, "--labels: .*label.csv is no file"),
    (labels_elsewhere, 2, "labels.csv lies outside .*copy it into that folder"),
    (several_labels, 2, "several labels files: labels.csv, more.csv; say which: --labels FILE"),
    (unnamed_parquet, 3, "2 Parquet files, but none is named train.parquet"),
    (labels_from_one, 3, "too few pictures of class '0' 0"),
    (linked_folder, 3, "lynx is a link to a folder"),
    (preset_too, 2, "--preset and --data exclude each other"),
    (size_of_nothing, 2, "--image-size must be 8 to 1024, got 4"),
]


@pytest.mark.parametrize(
    ("arrange", "code", "message"), MISTAKES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_mistake_is_answered_in_a_line_or_two_and_nothing_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arrange: Callable[[Path], list[str]],
    code: int,
    message: str,
) -> None:
    words = arrange(tmp_path / "data")
    assert main(["init", str(tmp_path / "w"), "--data", *words]) == code
    said = [
        line for line in capsys.readouterr().err.splitlines() if not line.startswith("init data: pictures")
    ]
    assert len(said) <= 2
    assert re.search(message, said[0])
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("option", [["--labels", "x.csv"], ["--image-size", "32"]])
def test_options_of_data_without_data_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert main(["init", str(tmp_path / "w"), *option]) == 2
    assert "go with --data PATH" in capsys.readouterr().err


@pytest.mark.parametrize("place", [".", "cat", "new"])
def test_a_workspace_inside_the_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    data = folders(tmp_path / "data")
    assert main(["init", str(data / place), "--data", str(data)]) == 2
    assert "lies in the data folder" in capsys.readouterr().err
    assert not list(data.rglob("params.yaml"))


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


def test_params_that_somebody_changed_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folders(tmp_path / "data")
    assert main(["init", str(tmp_path / "w"), "--data", str(data)]) == 0
    params = tmp_path / "w" / "params.yaml"
    params.write_text(params.read_text() + "# mine\n")
    capsys.readouterr()
    assert main(["init", str(tmp_path / "w"), "--data", str(data)]) == 2
    assert "has another params.yaml already" in capsys.readouterr().err
    assert params.read_text().endswith("# mine\n")


def test_a_workspace_of_a_preset_is_refused_before_a_picture_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "w")]) == 0
    capsys.readouterr()
    assert main(["init", str(tmp_path / "w"), "--data", str(folders(tmp_path / "data"))]) == 2
    error = capsys.readouterr().err
    assert "has another params.yaml already" in error
    assert "pictures" not in error


def test_every_data_set_for_anybodys_pictures_can_be_surveyed() -> None:
    registry = Registry("datasets")
    able = [name for name in registry.names() if hasattr(registry.get(name), "open_table")]
    assert able == ["csv", "imagefolder", "parquet", "webdataset"]
