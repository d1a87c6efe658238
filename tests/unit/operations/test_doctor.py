"""`asd doctor`: each line ok, warn or fail, with a cure."""

import fcntl
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from asd.cli import main
from asd.new_workspace import create
from asd.operations import doctor
from asd.operations.doctor import Check

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe cheap modules in place of torch and prefect."""
    probes = (
        (("torch", "torchvision"), "print(1); print(2)", "cure"),
        (("dvc",), "import dvc; print(3)", "cure"),
    )
    monkeypatch.setattr(doctor, "_PROBES", probes)


def found(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


@pytest.mark.usefixtures("quick")
def test_a_new_workspace_is_ready(tmp_path: Path) -> None:
    checks = doctor.examine(create(tmp_path / "w", "digits").root)
    assert [check for check in checks if check.state == "fail"] == []
    assert {check.name for check in checks} == {
        "python", "torch", "torchvision", "dvc", "git", "cpus", "memory", "disk", "writable",
        "params", "dvc repository", "locks",
    }  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_a_package_that_does_not_import_fails_and_its_lines_before_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe = (("torch", "torchvision", "device"), "print(1); import no_such_module", "a pair is wanted")
    monkeypatch.setattr(doctor, "_PROBES", (probe,))
    checks = doctor.examine(None)
    assert found(checks, "torch") == Check("torch", "ok", "1")
    assert found(checks, "torchvision") == Check(
        "torchvision", "fail", "ModuleNotFoundError: No module named 'no_such_module'", "a pair is wanted"
    )


def test_the_real_probes_name_real_modules() -> None:
    names = [name for names, _, _ in doctor._PROBES for name in names]
    assert names == ["torch", "torchvision", "device", "prefect", "dvc"]
    for _, code, _ in doctor._PROBES:
        compile(code, "probe", "exec")


@pytest.mark.usefixtures("quick")
def test_little_disk_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * 2**30, 99 * 2**30, 2**30))
    assert found(doctor.examine(None), "disk").state == "warn"


@pytest.mark.usefixtures("quick")
def test_an_old_python_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_OLDEST_PYTHON", (sys.version_info[0], sys.version_info[1] + 1))
    assert found(doctor.examine(None), "python").state == "fail"


@pytest.mark.usefixtures("quick")
def test_a_lock_that_is_held_warns_and_a_stale_file_does_not(workspace: Path) -> None:
    locks = workspace / ".asd" / "locks"
    locks.mkdir(parents=True)
    (locks / "stale.lock").write_text("1\n")
    with (locks / "held.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        check = found(doctor.examine(workspace), "locks")
    assert (check.state, check.detail) == ("warn", "held: held.lock")
    assert found(doctor.examine(workspace), "locks").state == "ok"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("text", ['{"write": {"data": {"pid": 999999999, "cmd": "dvc repro"}}}', '{"wri'])
def test_a_lock_left_by_a_killed_dvc_warns(workspace: Path, text: str) -> None:
    (workspace / ".dvc" / "tmp").mkdir(parents=True)
    (workspace / ".dvc" / "tmp" / "rwlock").write_text(text)
    assert "killed dvc" in found(doctor.examine(workspace), "locks").detail


@pytest.mark.usefixtures("quick")
def test_what_failed_is_named_and_ends_with_2(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text.replace("random_seed", "randm_seed"))
    assert main(["doctor", "--json", "--workspace", str(workspace)]) == 2
    out = capsys.readouterr()
    facts = json.loads(out.out)
    failed = [check["name"] for check in facts["checks"] if check["state"] == "fail"]
    assert failed == ["params", "dvc repository"]
    assert not facts["ready"]
    assert out.err == "asd: not ready: params, dvc repository\n"
