"""What tests of rehearsals share."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from asd import code_lock
from asd.operations.plan import Plan
from asd.operations.rehearsal import run as running
from asd.params import Workspace
from tests.unit.rehearsing import Kennel


@pytest.fixture
def kennel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kennel:
    """Its data are fetched as they are now; the hashes of the code, which take a second, are made up."""

    def refresh(workspace: Workspace) -> list[str]:
        kinds = {
            kind: dict.fromkeys(getattr(workspace.params, kind), "0") for kind in code_lock.VARIANT_KINDS
        }
        workspace.layout.code_lock.write_text(yaml.safe_dump({"steps": {"fetch": "0"}, **kinds}))
        return []

    monkeypatch.setattr(code_lock, "refresh", refresh)
    monkeypatch.setattr(running, "ask_plan", lambda root, cells, look: Plan((), 0.1))
    return Kennel(tmp_path / "w")
