"""Every byte of a drop's folder is covered by its record."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from asd.errors import DataError
from asd.params import Workspace
from asd.shards.drop_folder import verify_drop
from asd.verify import _drops, _shards
from tests.unit.drops import made

FILES = ("shard-000000.tar", "index.parquet", "quarantine.parquet", "manifest.json")


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    space = made.workspace(tmp_path)
    made.add(space, [*made.pictures(0, 20), made.refused(1)])
    return space


def test_a_whole_drop_is_found_whole(space: Workspace) -> None:
    assert list(_drops(space.layout)) == [None]
    assert list(_shards(space.layout)) == []  # it is no folder of shards of a data set


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_one_flipped_bit_is_found(space: Workspace, name: str, place: float) -> None:
    file = space.layout.drop(1) / name
    data = bytearray(file.read_bytes())
    data[int(len(data) * place)] ^= 1
    file.write_bytes(bytes(data))
    (broken,) = list(_drops(space.layout))
    assert broken is not None
    assert broken.place == "data/drops/0001"
    assert name in broken.problem
    assert "dvc checkout data/drops/0001.dvc" in broken.cure


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_or_one_too_many_is_found(space: Workspace, name: str) -> None:
    folder = space.layout.drop(1)
    wanted = (folder / "manifest.json").read_bytes()
    (folder / name).rename(folder.parent / "aside")
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        verify_drop(folder, _sha256(wanted))
    (folder.parent / "aside").rename(folder / name)
    (folder / "more").write_text("x")
    with pytest.raises(DataError, match="'more', which its manifest does not name"):
        verify_drop(folder, _sha256(wanted))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_damaged_record_is_found(space: Workspace) -> None:
    space.layout.drop_record(1).write_text("{}")
    (broken,) = list(_drops(space.layout))
    assert broken is not None
    assert "0001.json" in broken.problem
    assert "from git" in broken.cure
