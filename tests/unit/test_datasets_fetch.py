"""The step fetch, from params to shards."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asd.errors import DataError, DiskError, ParamsError
from asd.params import Workspace, load_workspace
from asd.progress import Reporter
from asd.shards import write
from asd.shards.manifest import read_manifest
from asd.shards.read import open_view
from asd.shards.verify import verify_folder
from asd.sources import set_source
from asd.steps import StepItem, fetch

_PARAMS = """
cells: {{datasets: [toy], attacks: [none], defenses: [none]}}
datasets: {{toy: {toy}}}
attacks: {{none: {{}}}}
defenses: {{none: {{}}}}
"""


def _workspace(root: Path, toy: str) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(_PARAMS.format(toy=toy))
    return load_workspace(root)


def _fetch(workspace: Workspace, out: io.StringIO | None = None) -> None:
    fetch.run(workspace, StepItem("toy"), Reporter("fetch", "toy", out or io.StringIO()))


def _pictures(root: Path) -> Path:
    for part in ("train", "test"):
        for name in ("cats", "dogs"):
            (root / part / name).mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", (5, 5), (i, 0, 0)).save(root / part / name / f"{i}.png")
    return root


def _bytes(workspace: Workspace) -> dict[str, bytes]:
    root = workspace.layout.fetched("toy", "train").parent
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_digits_become_two_verified_folders(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, "{use: digits}")
    _fetch(workspace)
    counts = {}
    for split in ("train", "test"):
        folder = workspace.layout.fetched("toy", split)
        verify_folder(folder)
        manifest = read_manifest(folder)
        assert (manifest.name, manifest.split, manifest.trusted) == ("toy", split, True)
        counts[split] = manifest.count
    assert counts == {"train": 1437, "test": 360}


def test_fetching_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, "{use: digits, limit: 50, limit_test: 20}")
    _fetch(workspace)
    first = _bytes(workspace)
    _fetch(workspace)
    assert _bytes(workspace) == first
    assert {"train/manifest.json", "test/manifest.json"} < set(first)


def test_a_folder_that_somebody_set_is_read(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path / "work", "{use: imagefolder}")
    set_source(workspace.layout, "toy", _pictures(tmp_path / "pictures"))
    _fetch(workspace)
    view = open_view(workspace.layout.fetched("toy", "train"), pixel_cache=workspace.layout.pixel_cache)
    assert view.class_names == ("cats", "dogs")
    assert not view.trusted
    assert view.images.shape == (8, 3, 5, 5)


def test_without_a_source_the_command_is_named_and_nothing_written(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, "{use: imagefolder}")
    with pytest.raises(ParamsError, match="`asd source set toy PATH`"):
        _fetch(workspace)
    assert not workspace.layout.data.exists()


def test_a_broken_image_leaves_the_last_result_as_it_was(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path / "work", "{use: imagefolder}")
    source = _pictures(tmp_path / "pictures")
    set_source(workspace.layout, "toy", source)
    _fetch(workspace)
    before = _bytes(workspace)
    (source / "test" / "dogs" / "3.png").write_bytes(b"broken")
    set_source(workspace.layout, "toy", source)
    with pytest.raises(DataError, match=r"test/dogs/3\.png"):
        _fetch(workspace)
    assert _bytes(workspace) == before
    assert not list(workspace.layout.data.rglob("*.tmp-*"))


def test_a_source_that_changed_since_it_was_set_is_refused(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path / "work", "{use: imagefolder}")
    source = _pictures(tmp_path / "pictures")
    set_source(workspace.layout, "toy", source)
    (source / "test" / "dogs" / "3.png").unlink()
    with pytest.raises(DataError, match=r"is not what .* says"):
        _fetch(workspace)


def test_a_source_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = _workspace(tmp_path / "work", "{use: imagefolder}")
    source = _pictures(tmp_path / "pictures")
    set_source(workspace.layout, "toy", source)
    whole = fetch.write_shards

    def meddle(*args: object, **settings: object) -> object:
        (source / "train" / "dogs" / "late.png").write_bytes(b"late")
        return whole(*args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(fetch, "write_shards", meddle)
    with pytest.raises(DataError, match=r"is not what .* says"):
        _fetch(workspace)
    assert not workspace.layout.fetched("toy", "train").exists()


def test_an_address_for_a_data_set_that_takes_none_is_refused(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, "{use: imagefolder}")
    set_source(workspace.layout, "toy", "http://127.0.0.1/x.tar")
    with pytest.raises(ParamsError, match="cannot be read from an address"):
        _fetch(workspace)


def test_a_disk_too_small_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = _workspace(tmp_path, "{use: digits}")
    monkeypatch.setattr(write.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(DiskError, match="1797 images may need"):
        _fetch(workspace)
    assert not workspace.layout.data.exists()


def test_progress_counts_both_splits_together(tmp_path: Path) -> None:
    out = io.StringIO()
    _fetch(_workspace(tmp_path, "{use: digits, limit: 80, limit_test: 20}"), out)
    assert [line.split("  ")[0] for line in out.getvalue().splitlines()] == [
        f"fetch toy: images {n}/100" for n in range(10, 101, 10)
    ]


def _test_data(name: str) -> Path:
    root = os.environ.get("ASD_TEST_DATA")
    if not root:
        pytest.skip("ASD_TEST_DATA is not set: it names a folder with cifar10/ and gtsrb/")
    return Path(root) / name


def test_a_part_of_the_real_cifar10_is_fetched(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, "{use: cifar10, limit: 200, limit_test: 100}")
    set_source(workspace.layout, "toy", _test_data("cifar10"))
    _fetch(workspace)
    view = open_view(workspace.layout.fetched("toy", "train"), pixel_cache=workspace.layout.pixel_cache)
    assert view.images.shape == (200, 3, 32, 32)
    assert np.bincount(view.labels).tolist() == [20] * 10
    assert view.class_names[3] == "cat"
    assert view.trusted


def test_a_part_of_the_real_gtsrb_is_fetched_as_anybodys_parquet(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, "{use: parquet, limit: 86, limit_test: 43, image_size: 24}")
    set_source(workspace.layout, "toy", _test_data("gtsrb"))
    _fetch(workspace)
    view = open_view(workspace.layout.fetched("toy", "train"), pixel_cache=workspace.layout.pixel_cache)
    assert view.images.shape == (86, 3, 24, 24)
    assert view.class_names == tuple(str(i) for i in range(43))
    assert np.bincount(view.labels).tolist() == [2] * 43
    assert not view.trusted
