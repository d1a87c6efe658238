"""Every mistake of a newcomer with `asd init --data` is answered in a line or two."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.cli import main
from tests.unit.own_data.pictures import class_folders, encoded, labelled, parquet, tar, write


def folders(root: Path) -> Path:
    return class_folders(root, {"cat": 40, "dog": 40})


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


def foreign_columns(root: Path) -> Path:
    write(root / "meta.csv", b"picture_path,kind\n1.png,cat\n")
    return root


def columns_beside_pictures(root: Path) -> list[str]:
    flat(root)
    return [str(foreign_columns(root))]


def columns_beside_one_folder(root: Path) -> list[str]:
    write(root / "images" / "1.png", encoded(1))
    return [str(foreign_columns(root))]


def columns_alone(root: Path) -> list[str]:
    return [str(foreign_columns(root))]


def columns_of_the_file_given(root: Path) -> list[str]:
    flat(root)
    return [str(foreign_columns(root) / "meta.csv")]


def columns_of_parquet(root: Path) -> list[str]:
    file = parquet(root / "all.parquet", ["cat", "dog"] * 30)
    pq.write_table(pq.read_table(file).rename_columns(["photo", "label"]), file)
    return [str(file)]


def a_packed_folder(root: Path) -> list[str]:
    write(root / "pets.tar.gz", b"\x1f\x8b")
    return [str(root / "pets.tar.gz")]


def a_folder_of_packed(root: Path) -> list[str]:
    write(root / "pets.tgz", b"\x1f\x8b")
    return [str(root)]


def folders_in_a_tar(root: Path) -> list[str]:
    return [str(tar(root / "pets.tar", [("pets/cat/1.png", encoded(1)), ("pets/dog/2.png", encoded(2))]))]


def size_of_nothing(root: Path) -> list[str]:
    return [str(folders(root)), "--image-size", "4"]


LACKS = (
    r"its first line \(picture_path, kind\) names no path \(path, image, file, filename\.\.\.\) and no label "
    r"\(label, class, class_name, classname\.\.\.\)"
)
MISTAKES: list[tuple[Callable[[Path], list[str]], int, str]] = [
    (nowhere, 2, "--data: .* does not exist"),
    (empty, 3, "is an empty folder; wanted class folders"),
    (documents, 3, r"holds 1 file but no picture \(such as a/thesis.pdf\)"),
    (flat, 3, "no class folders and no CSV of path and label; put the pictures of each class in a folder"),
    (a_picture, 3, "is a file, but neither .parquet, .tar nor .csv; give the folder"),
    (a_zip, 3, "unpack it and give the folder"),
    (a_packed_folder, 3, "pets.tar.gz is a file, .*; unpack it and give the folder"),
    (a_folder_of_packed, 3, "holds 1 file but no picture: unpack pets.tgz, and give the folder"),
    (folders_in_a_tar, 3, "pets.tar/pets/cat/1 has no label: .*class folders in a tar, unpack it"),
    (
        columns_beside_pictures,
        3,
        f"no class folders .*; meta.csv is no labels file: {LACKS}; if .*, rename its",
    ),
    (columns_beside_one_folder, 3, f"one class folder only, 'images'.*; meta.csv is no labels file: {LACKS}"),
    (columns_alone, 3, f"holds 1 file but no picture .*; meta.csv is no labels file: {LACKS}"),
    (columns_of_the_file_given, 3, f"/meta.csv is no labels file: {LACKS}; rename its columns$"),
    (
        columns_of_parquet,
        3,
        r"all.parquet: no column img or image \(there are: photo, label\); rename it, or",
    ),
    (one_class, 3, "one class folder only, 'cat'; a classifier needs two or more"),
    (one_level_too_high, 3, "one class folder only, 'images'.*did you mean --data .*/images"),
    (differ_in_case, 3, "classes 'Cat' and 'cat' differ only in case"),
    (empty_class, 3, "class folder .*bird is empty"),
    (three_images, 3, "too few pictures: class 'dog' has 3; wanted at least 5 each"),
    (
        too_few_after_the_test_part,
        3,
        r"too few training images \(after the test part\): class 'dog' has [0-4];",
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
    (labels_from_one, 3, "too few pictures: class '0' has 0"),
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
