"""DVC remotes: a folder, and S3 on loopback; what was tampered with there is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import _share
from tests.flows.s3_server import VARIABLES, s3_server

OUT = "data/digits.fetch"


def dvc(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, check=False
    )


def test_default_remote_and_its_verify_are_read_from_both_files(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    config, local = (tmp_path / ".dvc" / name for name in ("config", "config.local"))
    config.write_text("[core]\n    no_scm = True\n")
    assert _share.default_remote(tmp_path) is None
    config.write_text("[core]\n    remote = shared\n['remote \"shared\"']\n    url = s3://b\n")
    assert (_share.default_remote(tmp_path), _share.verifies(tmp_path, "shared")) == ("shared", False)
    local.write_text("['remote \"shared\"']\n    verify = true\n")
    assert _share.verifies(tmp_path, "shared") is True
    local.write_text("[core]\n    remote = mine\n")
    assert _share.default_remote(tmp_path) == "mine"


def test_push_without_a_remote_is_said_and_is_no_failure(
    tmp_path: Path, prefect_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = True\n")
    assert _in_a_flow(_share.push_results, tmp_path) == "no remote"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_push_is_tried_again_with_growing_delays(
    tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows._run import NETWORK

    delays = NETWORK["retry_delay_seconds"]
    assert delays == sorted(delays)
    assert len(set(delays)) == len(delays) == NETWORK["retries"]
    tries = []

    def push(layout: Any, branch: str) -> str:
        tries.append(branch)
        if len(tries) < 3:
            raise _share.PushError("the network is away")
        return "pushed"

    monkeypatch.setattr(_share, "push_branch", push)
    quick = _share.push_commits.with_options(retry_delay_seconds=0)
    assert _in_a_flow(quick, tmp_path, "asd/runs") == "pushed"
    assert len(tries) == 3


def _in_a_flow(task: Any, *arguments: Any) -> Any:
    from prefect import flow

    @flow(name="of-a-test", validate_parameters=False)
    def run() -> Any:
        return task(*arguments)

    return run()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_results_go_to_the_remote_and_tampered_ones_do_not_come_back(
    fake: Any, tmp_path: Path, s3: str, prefect_server: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for key, value in VARIABLES.items():
        monkeypatch.setenv(key, value)
    place = str(tmp_path / "remote") if kind == "folder" else "s3://results/asd"
    root = fake.root
    assert dvc(root, "remote", "add", "-d", "shared", place).returncode == 0
    if kind == "s3":
        dvc(root, "remote", "modify", "shared", "endpointurl", s3)
        _system(s3).mkdir("results")
    assert dvc(root, "repro", "-q").returncode == 0
    assert _in_a_flow(_share.push_results, root) == "pushed to shared"
    assert _share.verifies(root, "shared")
    kept = (root / OUT).read_text()
    forget(root)
    assert dvc(root, "pull", "-q").returncode == 0
    assert (root / OUT).read_text() == kept
    tamper(tmp_path / "remote" if kind == "folder" else None, s3)
    forget(root)
    assert dvc(root, "pull").returncode != 0
    assert not (root / OUT).exists()


def forget(root: Path) -> None:
    """A clone has neither results nor a cache."""
    subprocess.run(["rm", "-rf", str(root / ".dvc" / "cache"), str(root / "data")], check=True)


def tamper(folder: Path | None, s3: str) -> None:
    """Change every object of the remote, keeping names and sizes."""
    if folder is not None:
        for file in folder.rglob("*"):
            if file.is_file():
                os.chmod(file, 0o644)
                file.write_bytes(b"x" * file.stat().st_size)
        return
    system = _system(s3)
    for name, facts in system.find("results", detail=True).items():
        system.pipe(name, b"x" * facts["size"])


def _system(url: str) -> Any:
    import fsspec

    return fsspec.filesystem("s3", endpoint_url=url, use_listings_cache=False, skip_instance_cache=True)
