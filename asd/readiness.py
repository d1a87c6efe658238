"""Files that the pipeline needs beside `params.yaml`, brought up to date before a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from asd import code_lock, sources
from asd.layout import Layout
from asd.params import Workspace, load_workspace
from asd.params_file import complete_params
from asd.store import atomic_file, disk_errors

TEMPLATE = Path(__file__).parent / "presets" / "_template"


@dataclass(frozen=True)
class Readied:
    """A workspace that `dvc repro` can run, and what had to be added or changed for that."""

    workspace: Workspace
    added_params: tuple[str, ...]
    changed_code: tuple[str, ...]


def make_ready(root: Path) -> Readied:
    """Complete `params.yaml`, write what is missing of sources, seeds and reviews, refresh `asd.lock`.

    Raises:
        ParamsError: `params.yaml` is wrong.
        DiskError: the workspace may not be written to.
    """
    added = complete_params(root)
    workspace = load_workspace(root)
    layout = workspace.layout
    protect_local(layout)
    of_drops = workspace.drop_datasets()
    for dataset in of_drops:
        sources.point_at_drops(layout, dataset)
    for dataset in (*workspace.params.cells.datasets, sources.SEEDS):
        if dataset not in of_drops:
            sources.ensure_pointer(layout, dataset)
    if not layout.seeds_by_people.is_dir():
        _place("seeds_readme.md", layout.seeds_by_people / "README.md")
    if not layout.exclusions.exists():
        _place("exclusions.csv", layout.exclusions)
    return Readied(workspace, tuple(added), tuple(code_lock.refresh(workspace)))


def _place(template: str, target: Path) -> None:
    with atomic_file(target) as temporary:
        temporary.write_bytes((TEMPLATE / template).read_bytes())


def protect_local(layout: Layout) -> None:
    """Make `.asd` and DVC's state folder in it, for this user only to write.

    DVC would make both with mode 777, and who may write there may change what the next run reads.
    """
    for folder in (layout.local, layout.local / "dvc", layout.local / "dvc" / "repo"):
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if folder.stat().st_mode & 0o022 and folder.stat().st_uid == os.geteuid():
                folder.chmod(0o755)
