"""What unit tests share."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the shipped params and pipeline, nothing run yet."""
    root = tmp_path / "workspace"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / "sources").mkdir()
    return root
