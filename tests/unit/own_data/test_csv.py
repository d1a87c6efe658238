"""A folder of pictures with a labels file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from asd.datasets import csv
from asd.datasets._base import LoadedSplit, Split
from asd.errors import DataError
from asd.progress import Reporter
from tests.unit.own_data.pictures import encoded, labelled, write

QUIET = Reporter("fetch", "x", io.StringIO())


def opened(source: Path, split: Split = "train", **params: Any) -> LoadedSplit:
    loaded: LoadedSplit = csv.load(csv.Params(**params), split, source, QUIET)
    return loaded


def one_file(root: Path, text: str) -> Path:
    for name in ("a.png", "b.png", "sub/c.png"):
        write(root / name, encoded(len(name)))
    (root / "labels.csv").write_text(text)
    return root


def labels_of(loaded: LoadedSplit) -> list[tuple[str, str]]:
    return [(s.source, loaded.class_names[s.label]) for s in loaded.samples]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,x\nsub/c.png,y\n",
        "\ufeffImage;Class\na.png;x\n./sub/c.png;y\n",
        "id\tfilename\tlabel\n7\ta.png\tx\n8\tsub\\c.png\ty\n\n",
        'label,file\n"x","a.png"\ny,sub/c.png',
    ],
)
def test_columns_delimiters_and_line_ends_of_many_kinds_are_read(tmp_path: Path, text: str) -> None:
    assert labels_of(opened(one_file(tmp_path, text), held_out=1e-9)) == [("a.png", "x"), ("sub/c.png", "y")]


@pytest.mark.parametrize(("header", "twice"), [("path,label,label", "label"), ("path,path,label", "path")])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, header: str, twice: str) -> None:
    source = one_file(tmp_path, f"{header}\na.png,cat,dog\nb.png,dog,cat\n")
    with pytest.raises(DataError, match=rf"labels\.csv: 2 columns '{twice}' in its first line; wanted one"):
        opened(source, labels="labels.csv", held_out=0.1)


def test_other_columns_are_named_by_params(tmp_path: Path) -> None:
    source = one_file(tmp_path, "photo,kind\na.png,x\nb.png,y\n")
    with pytest.raises(
        DataError,
        match=r"no column path or image .*its first line has: photo, kind.*rename it, or set path_column",
    ):
        opened(source, held_out=0.1)
    loaded = opened(source, held_out=1e-9, path_column="photo", label_column="kind")
    assert [s.source for s in loaded.samples] == ["a.png", "b.png"]


def test_train_and_test_have_a_file_each(tmp_path: Path) -> None:
    one_file(tmp_path, "")
    (tmp_path / "train.csv").write_text("path,label\na.png,2\nb.png,10\n")
    (tmp_path / "test.csv").write_text("path,label\nsub/c.png,10\n")
    assert opened(tmp_path).class_names == ("2", "10")
    assert labels_of(opened(tmp_path, "test")) == [("sub/c.png", "10")]


def test_held_out_divides_one_file(tmp_path: Path) -> None:
    source = labelled(tmp_path)
    train, test = (
        {s.source for s in opened(source, part, held_out=0.3).samples} for part in ("train", "test")
    )
    assert not train & test
    assert len(train | test) == 80
    assert test


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gone.png,x", r"labels\.csv line 3: no file 'gone\.png' in "),
        ("B.PNG,x", r"no file 'B\.PNG' .*did you mean 'b\.png'"),
        ("../a.png,x", "line 3: path '../a.png' leaves the data folder"),
        ("sub/../../a.png,x", "leaves the data folder"),
        ("/etc/passwd,x", "path '/etc/passwd' leaves the data folder"),
        ("C:\\a.png,x", "leaves the data folder"),
        (".hidden.png,x", "is hidden; names that start with a dot do not count"),
        ("a.png,x", r"line 3 names a\.png again \(first in line 2\)"),
        (",x", "line 3: no path"),
        ("b.png,", "line 3: no label"),
        ("b.png", "line 3: 1 columns, wanted at least 2"),
        ('b.png,"x', "line 3 is not CSV"),
    ],
)
def test_a_line_that_is_not_in_order_is_named(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path / ".hidden.png", encoded(9))
    with pytest.raises(DataError, match=message):
        opened(one_file(tmp_path, f"path,label\na.png,x\n{line}\n"), held_out=0.1)


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "outside.png", encoded(1))
    source = one_file(tmp_path / "data", "path,label\na.png,x\nlink.png,y\n")
    os.symlink(tmp_path / "outside.png", source / "link.png")
    with pytest.raises(DataError, match=r"line 3: 'link\.png' is a link that leaves"):
        opened(source, held_out=0.1)
    (source / "link.png").unlink()
    os.symlink(source / "b.png", source / "link.png")
    assert len(list(opened(source, held_out=1e-9).samples)) == 2


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    source = one_file(tmp_path, "")
    (source / "labels.csv").write_bytes(b"path,label\na.png,\xe4\n")
    with pytest.raises(DataError, match=r"labels\.csv is not UTF-8 text"):
        opened(source, held_out=0.1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"has no train\.csv; without a test split set labels and held_out"),
        ({"labels": "labels.csv"}, "set held_out"),
        ({"labels": "no.csv", "held_out": 0.1}, r"has no no\.csv"),
        ({"held_out": 0.1}, r"wanted one CSV, got labels\.csv, more\.csv; say which in labels"),
    ],
)
def test_a_missing_labels_file_says_what_to_set(tmp_path: Path, params: dict[str, Any], message: str) -> None:
    source = one_file(tmp_path, "path,label\na.png,x\n")
    (source / "more.csv").write_text("path,label\n")
    with pytest.raises(DataError, match=message):
        opened(source, **params)
