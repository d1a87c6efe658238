"""What may be deleted: derived files, leftovers of dead writers, and cache objects that nothing names.

What is only slow to make again goes by default; older results go only when asked for, and
what the current `dvc.lock` or an exported model names never goes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asd.errors import BusyError
from asd.layout import Layout
from asd.lifeline import is_alive
from asd.operations.space import tree_bytes
from asd.step_lock import is_held
from asd.store import disk_errors

_LEFTOVER = re.compile(r"^\.(?P<name>.+)\.tmp-(?P<pid>\d+)(?P<old>-old)?$")
_FINGERPRINT = re.compile(r"^[0-9a-f]{64}(\.gone)?$")


@dataclass(frozen=True)
class Rubbish:
    """One kind of what may go: its files and folders, their bytes, what it costs to delete them."""

    kind: str
    paths: tuple[Path, ...]
    size: int
    costs: str


def derived(layout: Layout) -> list[Rubbish]:
    """What is made again by itself: pixels, checkpoints of finished stages, leftovers."""
    return [
        _rubbish("pixel cache", _children(layout.pixel_cache), "decoded again when needed"),
        _rubbish("finished checkpoints", _finished(layout.scratch), "nothing: their stages are finished"),
        _rubbish("leftovers", leftovers(layout), "nothing: their writers are dead"),
    ]


def on_demand(layout: Layout) -> list[Rubbish]:
    """What costs something to make again: checkpoints of unfinished stages, downloads."""
    return [
        _rubbish(
            "other checkpoints",
            _unfinished(layout.scratch),
            "an interrupted stage begins anew, not where it was",
        ),
        _rubbish("downloads", _children(layout.downloads), "fetched again when needed"),
    ]


def refuse_while_busy(layout: Layout) -> None:
    """To be called while the workspace is held: a plain `dvc repro` may still run a step.

    Raises:
        BusyError: a step runs; names its process.
    """
    for file in sorted(layout.step_lock("x").parent.glob("*.lock")):
        pid = file.read_text().strip()
        if pid.isdecimal() and is_alive(int(pid)) and is_held(file):
            raise BusyError(f"step {file.stem} runs (process {pid}); clean when it has ended")


def remove(rubbish: Rubbish) -> None:
    """Delete it.

    Raises:
        DiskError: a path may not be deleted.
    """
    for path in rubbish.paths:
        with disk_errors(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def leftovers(layout: Layout) -> list[Path]:
    """Temporary files and folders of writers that no longer live.

    The former version of a folder, moved aside, is kept while its name is free: the next writer
    puts it back.
    """
    found = []
    for place in _places(layout):
        match = _LEFTOVER.match(place.name)
        if match is None or is_alive(int(match["pid"])):
            continue
        if match["old"] and not (place.parent / match["name"]).exists():
            continue
        found.append(place)
    return sorted(found)


def _places(layout: Layout) -> Iterator[Path]:
    """Everything in the folders that our writers write to; what lies in a leftover goes with it."""
    yield from layout.root.glob(".*.tmp-*")
    folders = [layout.data, layout.root / ".cache", layout.scratch, layout.local, layout.seeds_by_people]
    folders.append(layout.reviews)
    folders += [layout.root / name for name in ("models", "sources", ".dvc")]
    for folder in folders:
        for place in folder.rglob(".*.tmp-*") if folder.is_dir() else ():
            if not any(_LEFTOVER.match(part) for part in place.relative_to(folder).parts[:-1]):
                yield place


def _finished(scratch: Path) -> list[Path]:
    """Checkpoints whose results are in place (the next step of the cell would drop them), with the marks."""
    marks = [mark for mark in (scratch / "finished").rglob("*") if mark.is_file()]
    folders = [scratch / mark.name for mark in marks]
    gone = [folder for folder in _children(scratch) if folder.name.endswith(".gone")]
    return sorted({*marks, *gone, *(folder for folder in folders if folder.is_dir())})


def _unfinished(scratch: Path) -> list[Path]:
    done = set(_finished(scratch))
    return [f for f in _children(scratch) if _FINGERPRINT.match(f.name) and f not in done]


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _rubbish(kind: str, paths: list[Path], costs: str) -> Rubbish:
    return Rubbish(kind, tuple(paths), sum(map(tree_bytes, paths)), costs)
