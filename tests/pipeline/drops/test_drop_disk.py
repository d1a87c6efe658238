"""A full disk while a drop is taken in: one line, nothing half-written, and it works again with room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from asd.cli import main
from asd.drop_records import read_records
from asd.layout import Layout
from asd.new_workspace import create
from asd.params_file import set_params
from asd.readiness import make_ready
from asd.shards.drop_folder import verify_drop
from tests.unit.drops import made
from tests.unit.drops.test_commands import drop

SIZE = 16 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def workspace(root: Path) -> Layout:
    layout = Layout(create(root, "drops").root)
    set_params(layout.root, ["datasets.drops.class_names=[cat, dog]", "datasets.drops.image_size=8"])
    make_ready(layout.root)
    return layout


def fill(disk: Path, room: int) -> Path:
    """A file that leaves `room` bytes."""
    filler = disk / "full"
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(disk).free - room)
    return filler


def refused_in_one_line(layout: Layout, sent: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    code = main(["drop", "add", str(sent), "--source", "acme", "--workspace", str(layout.root)])
    said = capsys.readouterr().err
    assert code == 3, said
    lines = [line for line in said.splitlines() if not line.startswith("drop ")]
    assert len(lines) == 1
    assert lines[0].startswith("asd: ")
    return lines[0]


def check_works_again(layout: Layout, sent: Path, number: int) -> None:
    assert main(["drop", "add", str(sent), "--source", "acme", "--workspace", str(layout.root)]) == 0
    record = read_records(layout)[-1]
    assert record.number == number
    verify_drop(layout.drop(number), record.manifest_sha256)


def of_the_drops(root: Path) -> dict[str, bytes]:
    """What belongs to drops; caches and the note of what is being made may change."""
    found = made.files(root)
    return {name: data for name, data in found.items() if name.startswith(("data/", "drops/", "sources/"))}


@pytest.mark.parametrize(
    "room", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (16_384, 131_072, 300_000))]
)
def test_a_full_workspace_leaves_everything_as_it_was(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    layout = workspace(small_disk / "w")
    shutil.rmtree(layout.root / ".dvc")  # the store alone
    made.add(made.load_workspace(layout.root), made.pictures(5000, 10), "first")
    sent = drop(tmp_path / "july", 0, 700)
    before = of_the_drops(layout.root)
    filler = fill(small_disk, room)
    said = refused_in_one_line(layout, sent, capsys)
    assert "full" in said or "No space left" in said
    filler.unlink()
    assert of_the_drops(layout.root) == before
    check_works_again(layout, sent, 2)
    assert not [path for path in layout.root.rglob("*") if ".tmp-" in path.name]


def test_a_full_dvc_cache_leaves_everything_as_it_was(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = workspace(tmp_path / "w")
    with (layout.root / ".dvc" / "config.local").open("w") as stream:
        stream.write(f"[cache]\n    dir = {small_disk / 'cache'}\n    type = copy\n")
    sent = drop(tmp_path / "july", 0, 100)
    before = of_the_drops(layout.root)
    filler = fill(small_disk, 8192)
    said = refused_in_one_line(layout, sent, capsys)
    assert "dvc could not add data/drops/0001: the disk is full" in said
    filler.unlink()
    assert of_the_drops(layout.root) == before
    check_works_again(layout, sent, 1)
    assert (layout.drops / "0001.dvc").is_file()
