"""What importing costs and drags in; the static side is the import contracts of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(module: str, *suspects: str) -> list[str]:
    """Which of `suspects` are loaded once `module` is imported in a new process."""
    code = f"import sys, {module}; print(*[name for name in {suspects!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_planning_a_run_imports_no_prefect_and_no_dvc_before_they_are_needed() -> None:
    assert loaded("flows.__main__", "prefect", "dvc", "torch") == []


@pytest.mark.parametrize("module", ["flows.defend", "flows._server"])
def test_flows_import_no_torch(module: str) -> None:
    assert loaded(module, "torch", "torchvision", "webdataset") == []


@pytest.mark.parametrize("module", ["flows._dvc_child", "flows._server_child", "asd.lifeline"])
def test_a_child_is_tied_to_its_parent_before_anything_slow_is_imported(module: str) -> None:
    assert loaded(module, "prefect", "dvc", "uvicorn", "pydantic", "numpy") == []


def test_the_prefect_server_imports_beside_the_locked_fastapi() -> None:
    assert loaded("prefect.server.api.server", "prefect.server") == ["prefect.server"]
