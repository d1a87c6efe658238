"""Pictures that cannot be read: they stop fetch, or are left out and named beside the shards."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from asd.errors import DataError
from asd.params import Workspace, load_workspace
from asd.progress import Reporter
from asd.shards.left_out import read_left_out
from asd.shards.manifest import read_manifest
from asd.shards.read import iter_samples
from asd.shards.verify import unchanged, verify_folder
from asd.sources import set_source
from asd.steps import StepItem, fetch
from tests.unit.own_data.pictures import class_folders, write

PARAMS = """
cells: {{datasets: [toy], attacks: [none], defenses: [none]}}
datasets: {{toy: {{use: imagefolder, unreadable: {unreadable}}}}}
attacks: {{none: {{}}}}
defenses: {{none: {{}}}}
"""


def fetched(tmp_path: Path, unreadable: str = "leave_out", *, broken: bool = True) -> tuple[Workspace, str]:
    source = tmp_path / "pictures"
    for split in ("train", "test"):
        class_folders(source / split, {"cats": 4, "dogs": 4}, start=100 * (split == "test"))
    if broken:
        write(source / "train" / "cats" / "b.pdf", b"%PDF-1.4")
        write(source / "train" / "README.txt", b"read me")
        write(source / "test" / "dogs" / "0000.png", b"\x89PNG\r\n\x1a\n")
    root = tmp_path / "work"
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS.format(unreadable=unreadable))
    workspace = load_workspace(root)
    set_source(workspace.layout, "toy", source)
    out = io.StringIO()
    fetch.run(workspace, StepItem("toy"), Reporter("fetch", "toy", out))
    return workspace, out.getvalue()


def test_a_broken_picture_stops_fetch_unless_params_say_otherwise(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"README\.txt lies in no class folder"):
        fetched(tmp_path, "stop")


def test_each_picture_that_is_left_out_is_named_with_its_reason(tmp_path: Path) -> None:
    workspace, said = fetched(tmp_path)
    folder = workspace.layout.fetched("toy", "train")
    manifest = read_manifest(folder)
    assert manifest.count == 8
    assert [(one.source, one.reason) for one in read_left_out(folder, manifest)] == [
        ("train/README.txt", "lies in no class folder"),
        ("train/cats/b.pdf", "not a PNG, JPEG, WEBP, BMP, GIF picture"),
    ]
    keys = {sample.key for sample in iter_samples(folder)}
    assert not keys & {one.key for one in read_left_out(folder, manifest)}
    assert "WARNING: 2 of 10 train images are left out" in said
    assert (
        "WARNING: 1 of 8 test images are left out; each is named with its reason in data/fetched/toy/test"
        in said
    )


def test_the_record_is_covered_by_the_manifest(tmp_path: Path) -> None:
    workspace, _ = fetched(tmp_path)
    folder = workspace.layout.fetched("toy", "train")
    with unchanged(folder):
        verify_folder(folder)
    record = folder / "left_out.json"
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b"README", b"readme"))
    with pytest.raises(DataError, match=r"left_out\.json: its SHA-256 differs"):
        verify_folder(folder)
    record.unlink()
    with pytest.raises(DataError, match=r"missing file .*left_out\.json"):
        verify_folder(folder)


def test_a_record_that_the_manifest_does_not_name_is_a_stranger(tmp_path: Path) -> None:
    workspace, _ = fetched(tmp_path, broken=False)
    folder = workspace.layout.fetched("toy", "train")
    assert "left_out" not in json.loads((folder / "manifest.json").read_bytes())
    (folder / "left_out.json").write_text("[]")
    with pytest.raises(DataError, match=r"holds 'left_out.json', which its manifest does not name"):
        verify_folder(folder)


def test_fetching_twice_gives_the_same_record(tmp_path: Path) -> None:
    workspace, _ = fetched(tmp_path)
    record = workspace.layout.fetched("toy", "train") / "left_out.json"
    before = record.read_bytes()
    fetch.run(workspace, StepItem("toy"), Reporter("fetch", "toy", io.StringIO()))
    assert record.read_bytes() == before


def test_a_split_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "pictures" / "train", {"cats": 1, "dogs": 1})
    for file in source.rglob("*.png"):
        file.write_bytes(b"no picture")
    class_folders(tmp_path / "pictures" / "test", {"cats": 1})
    root = tmp_path / "work"
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS.format(unreadable="leave_out"))
    workspace = load_workspace(root)
    set_source(workspace.layout, "toy", tmp_path / "pictures")
    with pytest.raises(DataError, match="no picture of the train split can be read; of the first one: not a"):
        fetch.run(workspace, StepItem("toy"), Reporter("fetch", "toy", io.StringIO()))
