"""Cache objects that nothing names: found by us, deleted by `dvc gc`, which is told what to keep."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from asd.errors import DataError
from asd.layout import Layout
from asd.operations.cache_keep import all_objects, kept_hashes, objects_of
from asd.operations.cleaning import Rubbish
from asd.operations.foreign_errors import explain_dvc

_COSTS = "earlier results are trained again if they are wanted again"


def unused_objects(layout: Layout, cache: Path) -> Rubbish:
    """What `collect` would delete.

    Raises:
        DataError: a file that names results cannot be read, so nothing is sure.
    """
    keep = objects_of(cache, kept_hashes(layout, cache))
    unused = [file for file in all_objects(cache) if file not in keep]
    return Rubbish("unused results", tuple(unused), sum(file.stat().st_size for file in unused), _COSTS)


def is_ours(layout: Layout, cache: Path) -> bool:
    """Whether the cache lies in the workspace: one outside may serve other workspaces, too."""
    return cache.resolve().is_relative_to(layout.root.resolve())


def collect(layout: Layout, cache: Path) -> None:
    """Delete the unused objects.

    Raises:
        DataError: dvc failed, or it deleted what was to stay.
    """
    hashes = kept_hashes(layout, cache)
    keep = [file for file in objects_of(cache, hashes) if file.is_file()]
    here = sorted(md5 for md5 in hashes if (objects_of(cache, [md5]) & set(keep)))
    with tempfile.TemporaryDirectory(prefix="asd-keep-") as name:
        project = _project(Path(name), cache, here)
        command = [sys.executable, "-m", "dvc", "gc", "--workspace", "--force"]
        command += ["--projects", str(project)]
        done = subprocess.run(command, cwd=layout.root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip() or "no message"
        raise DataError(f"dvc could not clean the cache: {explain_dvc(said) or said.splitlines()[-1]}")
    lost = [file for file in keep if not file.is_file()]
    if lost:
        raise DataError(f"dvc deleted {lost[0]}, which was to stay; `asd run` makes it again")


def _project(folder: Path, cache: Path, hashes: list[str]) -> Path:
    """A DVC project that names the objects to keep."""
    (folder / ".dvc").mkdir()
    config = (
        f"[core]\n    no_scm = true\n    site_cache_dir = {folder / 'site'}\n[cache]\n    dir = {cache}\n"
    )
    (folder / ".dvc" / "config").write_text(config)
    outs = [{"md5": md5, "hash": "md5", "path": f"kept{number}"} for number, md5 in enumerate(hashes)]
    if outs:
        (folder / "kept.dvc").write_text(yaml.safe_dump({"outs": outs}))
    return folder
