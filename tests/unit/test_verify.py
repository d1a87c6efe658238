"""`asd verify` finds one flipped byte wherever it is."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asd.cli import main
from asd.new_workspace import create
from asd.shards.write import write_shards
from asd.types import Sample
from asd.verify import verify_workspace

PIPELINE = """
stages:
  copy:
    cmd: mkdir -p data/runs && cp -r made data/runs/stage1 && cp made/model data/runs/metrics.json
    deps: [made]
    outs: [data/runs/stage1, data/runs/metrics.json]
"""


def dvc(root: Path, *words: str) -> None:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with shards, a DVC stage that ran, its cache and a pushed remote."""
    root = create(tmp_path_factory.mktemp("verify") / "w", "digits").root
    folder = root / "data" / "fetched" / "digits" / "train"
    folder.mkdir(parents=True)
    samples = [Sample(f"s{i}", np.full((1, 4, 4), i, np.uint8), i % 2, f"made#{i}") for i in range(4)]
    write_shards(
        folder,
        samples,
        name="digits",
        split="train",
        class_names=("a", "b"),
        image_shape=(1, 4, 4),
        trusted=True,
    )
    (root / "made").mkdir()
    (root / "made" / "model").write_bytes(b"weights")
    (root / "made" / "state").write_bytes(b"optimizer")
    (root / "dvc.yaml").write_text(PIPELINE)
    dvc(root, "repro", "-q")
    dvc(root, "remote", "add", "-q", "-d", "store", "../remote")
    dvc(root, "push", "-q")
    return root


@pytest.fixture
def workspace(original: Path, tmp_path: Path) -> Path:
    """A copy with the same time stamps, as a backup or a tamperer would leave them."""
    for part in (original, original.parent / "remote"):
        subprocess.run(["cp", "-a", str(part), str(tmp_path / part.name)], check=True)
    return tmp_path / "w"


def flip(file: Path, at: int = 0) -> None:
    """Change one byte and put the time stamps and the mode back."""
    before = file.stat()
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cached(root: Path, content: bytes) -> Path:
    md5 = hashlib.md5(content).hexdigest()
    return root / "files" / "md5" / md5[:2] / md5[2:]


def a_folder_object(root: Path) -> Path:
    return next((root / "files" / "md5").rglob("*.dir"))


def test_an_intact_workspace_has_nothing_broken_and_all_was_looked_at(workspace: Path) -> None:
    findings = verify_workspace(workspace)
    assert findings.broken == []
    assert findings.skipped == []
    assert findings.checked == {
        "shard folders": 1,
        "results": 3,
        "cache objects": 3,  # two files, of which one is used twice, and one folder
        "objects of remote store": 3,
    }


BYTES: dict[str, Callable[[Path], Path]] = {
    "shard": lambda root: next((root / "data" / "fetched").rglob("*.tar")),
    "index": lambda root: next((root / "data" / "fetched").rglob("index.parquet")),
    "result in a folder": lambda root: root / "data" / "runs" / "stage1" / "state",
    "result file": lambda root: root / "data" / "runs" / "metrics.json",
    "cache": lambda root: cached(root / ".dvc" / "cache", b"weights"),
    "folder in the cache": lambda root: a_folder_object(root / ".dvc" / "cache"),
    "remote": lambda root: cached(root.parent / "remote", b"optimizer"),
    "folder in the remote": lambda root: a_folder_object(root.parent / "remote"),
}


@pytest.mark.parametrize("where", BYTES)
def test_one_flipped_byte_is_found_and_the_place_named(workspace: Path, where: str) -> None:
    file = BYTES[where](workspace)
    flip(file, at=-1 if file.suffix == ".parquet" else 0)
    places = [broken.place for broken in verify_workspace(workspace).broken]
    assert len(places) == 1
    assert file.name in places[0] or str(file.parent.relative_to(workspace)) == places[0]


def test_the_command_names_place_and_cure_and_ends_with_3(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(BYTES["cache"](workspace))
    assert main(["verify", "--workspace", str(workspace)]) == 3
    out = capsys.readouterr()
    assert "BROKEN " in out.out
    assert "`dvc pull` or `asd run`" in out.out
    assert out.err == "asd: 1 broken; see above\n"


def test_the_facts_can_be_had_as_json(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(BYTES["remote"](workspace))
    assert main(["verify", "--json", "--workspace", str(workspace)]) == 3
    facts = json.loads(capsys.readouterr().out)
    assert [broken["cure"] for broken in facts["broken"]] == ["delete it, then `dvc push`"]


def test_a_result_that_is_newer_than_dvc_lock_is_not_recorded_yet(workspace: Path) -> None:
    (workspace / "data" / "runs" / "metrics.json").write_bytes(b"new")
    assert verify_workspace(workspace).broken == []


def test_a_remote_elsewhere_is_said_to_be_skipped(workspace: Path) -> None:
    dvc(workspace, "remote", "add", "-q", "far", "s3://bucket/path")
    dvc(workspace, "remote", "add", "-q", "gone", "/nowhere/at/all")
    assert verify_workspace(workspace).skipped == [
        "remote far (s3://bucket/path) is not a local folder",
        "remote gone: no folder /nowhere/at/all",
    ]


def test_a_cache_in_another_place_is_found(workspace: Path, tmp_path: Path) -> None:
    dvc(workspace, "config", "-q", "cache.dir", str(tmp_path / "shared"))
    (workspace / ".dvc" / "cache").rename(tmp_path / "shared")
    flip(cached(tmp_path / "shared", b"weights"))
    assert len(verify_workspace(workspace).broken) == 1
