"""Anybody's pictures: class folders and Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.datasets import imagefolder, parquet
from asd.datasets._base import LoadedSplit, Split
from asd.errors import DataError, ParamsError
from asd.progress import Reporter
from asd.types import Sample

QUIET = Reporter("fetch", "x", io.StringIO())


def _png(value: int, size: tuple[int, int] = (6, 4)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _open(module: Any, source: Path, split: Split, **params: object) -> LoadedSplit:
    loaded: LoadedSplit = module.load(module.Params(**params), split, source, QUIET)
    return loaded


def _load(module: Any, source: Path, split: Split, **params: object) -> list[Sample]:
    loaded = _open(module, source, split, **params)
    samples = list(loaded.samples)
    assert len(samples) == loaded.count
    return samples


# -- class folders -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(("cats", "Dogs", "ants.and bees")):
            for i in range(count):
                _put(tmp_path / part / name / "deep" / f"{i}.png", _png(60 * label + i))
    return tmp_path


def test_classes_are_the_folders_in_sorted_order(folder: Path) -> None:
    loaded = _open(imagefolder, folder, "test")
    assert loaded.class_names == ("Dogs", "ants.and bees", "cats")
    assert [(s.label, s.source) for s in loaded.samples][:3] == [
        (0, "test/Dogs/deep/0.png"),
        (0, "test/Dogs/deep/1.png"),
        (1, "test/ants.and bees/deep/0.png"),
    ]


def test_nobody_vouches_for_a_folder_unless_params_say_so(folder: Path) -> None:
    assert not _open(imagefolder, folder, "train").trusted
    assert _open(imagefolder, folder, "train", trusted=True).trusted


def test_pictures_take_the_size_and_colour_of_the_params(folder: Path) -> None:
    loaded = _open(imagefolder, folder, "train", image_size=8, channels=1)
    assert loaded.image_shape == (1, 8, 8)
    assert {sample.image.shape for sample in loaded.samples} == {(1, 8, 8)}


def test_without_a_size_the_shape_is_that_of_the_pictures(folder: Path) -> None:
    assert _open(imagefolder, folder, "train").image_shape == (3, 4, 6)


def test_keys_are_unique_hold_no_class_and_stay_when_pictures_are_added(folder: Path) -> None:
    before = {s.source: s.key for s in _load(imagefolder, folder, "train")}
    _put(folder / "train" / "cats" / "deep" / "00.png", _png(9))
    after = {s.source: s.key for s in _load(imagefolder, folder, "train")}
    assert len(set(after.values())) == len(after) == 19
    assert {source: after[source] for source in before} == before
    assert not any("cats" in key or "." in key for key in after.values())


def test_a_limit_takes_the_same_number_of_each_class(folder: Path) -> None:
    samples = _load(imagefolder, folder, "train", limit=6)
    assert np.bincount([sample.label for sample in samples]).tolist() == [2, 2, 2]


def test_held_out_divides_one_folder_by_content(folder: Path) -> None:
    source = folder / "train"
    parts = [
        {s.source for s in _load(imagefolder, source, split, held_out=0.4)} for split in ("train", "test")
    ]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 18
    assert parts[1]


def test_equal_files_fall_on_one_side(tmp_path: Path) -> None:
    for i in range(40):
        _put(tmp_path / "a" / f"{i}.png", _png(i % 20))
    train, test = (
        {s.content_sha256 for s in _load(imagefolder, tmp_path, split, held_out=0.4)}
        for split in ("train", "test")
    )
    assert not train & test


def test_held_out_beside_a_test_split_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="has folders train and test; leave out held_out"):
        _load(imagefolder, folder, "train", held_out=0.5)


def test_a_missing_test_split_says_what_to_set(folder: Path) -> None:
    with pytest.raises(DataError, match="has no folder 'train'; without a test split set held_out"):
        _load(imagefolder, folder / "train", "train")


def test_a_broken_image_stops_the_load_with_its_key_and_source(folder: Path) -> None:
    _put(folder / "train" / "cats" / "broken.jpg", b"no picture")
    with pytest.raises(DataError, match=r"broken image train_[0-9a-f]{16} \(train/cats/broken.jpg\)"):
        _load(imagefolder, folder, "train")


def test_what_is_no_picture_is_not_dropped_in_silence(folder: Path) -> None:
    _put(folder / "train" / "cats" / "README.txt", b"read me")
    with pytest.raises(DataError, match=r"README\.txt"):
        _load(imagefolder, folder, "train")


def test_hidden_files_do_not_count(folder: Path) -> None:
    _put(folder / "train" / "cats" / ".DS_Store", b"x")
    assert len(_load(imagefolder, folder, "train")) == 18


def _stray(folder: Path) -> None:
    _put(folder / "train" / "stray.png", _png(1))


def _empty_class(folder: Path) -> None:
    (folder / "train" / "birds").mkdir()


def _unknown_class(folder: Path) -> None:
    _put(folder / "test" / "birds" / "1.png", _png(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_stray, "stray.png lies in no class folder"),
        (_empty_class, "birds is empty"),
        (_unknown_class, r"test/birds/1\.png is of a class that train/ does not have"),
    ],
)
def test_a_folder_that_is_not_in_order_is_refused(
    folder: Path, change: Callable[[Path], None], message: str
) -> None:
    change(folder)
    with pytest.raises(DataError, match=message):
        _load(imagefolder, folder, "test")


@pytest.mark.parametrize("module", [imagefolder, parquet])
def test_without_a_source_the_command_is_named(module: Any) -> None:
    with pytest.raises(ParamsError, match=r"`asd source set \w+ PATH`"):
        module.load(module.Params(), "train", None, QUIET)


# -- Parquet -----------------------------------------------------------------------------


def _write(path: Path, labels: list[Any], image: str = "image", as_struct: bool = True, **notes: Any) -> None:
    cells = [_png(i) for i in range(len(labels))]
    column: list[Any] = [{"bytes": cell, "path": None} for cell in cells] if as_struct else cells
    table = pa.table({image: column, "label": labels})
    if notes:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": notes}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=3)


@pytest.mark.parametrize(("image", "as_struct"), [("img", True), ("image", True), ("image", False)])
def test_pictures_come_as_bytes_or_in_a_struct(tmp_path: Path, image: str, as_struct: bool) -> None:
    _write(tmp_path / "train.parquet", [0, 1, 0, 1, 1], image, as_struct)
    samples = _load(parquet, tmp_path, "train")
    assert [int(sample.image[0, 0, 0]) for sample in samples] == [0, 1, 2, 3, 4]
    assert [sample.label for sample in samples] == [0, 1, 0, 1, 1]
    assert (samples[4].key, samples[4].source) == ("train_000004", "train.parquet#4")


def test_string_labels_become_classes_in_sorted_order_of_the_training_split(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", ["b", "a", "c"])
    _write(tmp_path / "test.parquet", ["c", "c"])
    loaded = _open(parquet, tmp_path, "test")
    assert loaded.class_names == ("a", "b", "c")
    assert [sample.label for sample in loaded.samples] == [2, 2]


def test_names_in_the_metadata_come_before_numbers_and_params_before_both(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", [0, 1], label={"names": ["x", "y"]})
    assert _open(parquet, tmp_path, "train").class_names == ("x", "y")
    assert _open(parquet, tmp_path, "train", class_names=["p", "q"]).class_names == ("p", "q")


def test_numbers_without_names_are_named_by_themselves(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", [0, 2], label={"dtype": "int64"})
    assert _open(parquet, tmp_path, "train").class_names == ("0", "1", "2")


def test_shards_of_a_split_are_read_one_after_the_other(tmp_path: Path) -> None:
    _write(tmp_path / "data" / "train-00000-of-00002.parquet", [0, 1])
    _write(tmp_path / "data" / "train-00001-of-00002.parquet", [1, 1, 0])
    samples = _load(parquet, tmp_path, "train")
    assert [sample.key for sample in samples] == [f"train_{i:06d}" for i in range(5)]
    assert samples[2].source == "train-00001-of-00002.parquet#0"
    assert [sample.label for sample in samples] == [0, 1, 1, 1, 0]


def test_a_missing_shard_of_a_split_is_noticed(tmp_path: Path) -> None:
    _write(tmp_path / "train-00000-of-00002.parquet", [0, 1])
    with pytest.raises(DataError, match=r"wanted 2 files like train-00000-of-00002.parquet, got 1"):
        _load(parquet, tmp_path, "train")


def test_held_out_divides_one_file(tmp_path: Path) -> None:
    _write(tmp_path / "all.parquet", [i % 2 for i in range(40)])
    source = tmp_path / "all.parquet"
    parts = [{s.source for s in _load(parquet, source, split, held_out=0.3)} for split in ("train", "test")]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 40
    assert parts[1]


def test_held_out_beside_a_test_file_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", [0, 1])
    _write(tmp_path / "test.parquet", [0, 1])
    with pytest.raises(DataError, match="has a test split; leave out held_out"):
        _load(parquet, tmp_path, "train", held_out=0.5)


def test_a_missing_split_of_parquet_says_what_to_set(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", [0, 1])
    with pytest.raises(DataError, match=r"has no test\.parquet .*; without a test split set held_out"):
        _load(parquet, tmp_path, "test")


def test_a_label_that_the_training_split_does_not_have_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", ["a", "b"])
    _write(tmp_path / "test.parquet", ["a", "z"])
    with pytest.raises(DataError, match="row 1 has label 'z'"):
        _load(parquet, tmp_path, "test")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, None], r"train\.parquet#1 has no label"),
        ([0, -1], "row 1 has label -1"),
        ([0.5, 1.0], "labels must be integers or strings, got double"),
    ],
)
def test_bad_labels_are_named(tmp_path: Path, labels: list[Any], message: str) -> None:
    _write(tmp_path / "train.parquet", labels)
    with pytest.raises(DataError, match=message):
        _load(parquet, tmp_path, "train")


def test_missing_columns_say_which_param_to_set(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", [0, 1], image="photo")
    with pytest.raises(DataError, match=r"there are: photo, label\); rename it, or set image_column"):
        _load(parquet, tmp_path, "train")
    assert len(_load(parquet, tmp_path, "train", image_column="photo")) == 2


def test_a_broken_picture_in_parquet_is_named(tmp_path: Path) -> None:
    cells = [{"bytes": _png(1), "path": None}, {"bytes": b"no picture", "path": None}]
    pq.write_table(pa.table({"img": cells, "label": [0, 1]}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"broken image train_000001 \(train\.parquet#1\)"):
        _load(parquet, tmp_path, "train")


def test_a_path_without_bytes_is_not_followed(tmp_path: Path) -> None:
    cells = [{"bytes": None, "path": "/etc/passwd"}]
    table = pa.table(
        {"img": pa.array(cells, pa.struct({"bytes": pa.binary(), "path": pa.string()})), "label": [0]}
    )
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"train.parquet#0 holds no picture bytes"):
        _load(parquet, tmp_path, "train")


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as Parquet"):
        _load(parquet, tmp_path, "train")


def test_a_page_damaged_in_the_middle_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", [0, 1] * 20)
    path = tmp_path / "train.parquet"
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"train\.parquet"):
        _load(parquet, tmp_path, "train")
