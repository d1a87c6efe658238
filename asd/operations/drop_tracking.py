"""A drop's folder under DVC: `data/drops/NNNN.dvc` for git, its bytes in the cache and on remotes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from asd.errors import DataError, DiskError
from asd.lifeline import PARENT
from asd.operations.foreign_errors import explain_dvc

_ERROR = "ERROR:"


def track(root: Path, folder: Path) -> None:
    """`dvc add` of a folder, where the workspace is one of DVC; the process dies with this one.

    Raises:
        DataError: dvc failed; says why.
        DiskError: the disk is full.
    """
    if not (root / ".dvc").is_dir():
        return
    command = [sys.executable, "-m", "flows._dvc_child", "--wait-for-lock", "add", str(folder)]
    inherited = {k: v for k, v in os.environ.items() if k not in ("DVC_STAGE", "DVC_ROOT")}
    environment = inherited | {PARENT: str(os.getpid()), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False, errors="replace"
    )
    raw = done.stderr + done.stdout
    # where its cache is full dvc 3 says so, leaves files out of the cache, and ends with 0; --quiet hides it
    if done.returncode == 0 and _ERROR not in raw:
        return
    explained = explain_dvc(raw)
    said = str(explained) if explained else " ".join(raw.split()[-60:]) or f"exit code {done.returncode}"
    kind = DiskError if explained and "disk is full" in explained.happened else DataError
    raise kind(f"dvc could not add {folder.relative_to(root)}: {said}")
