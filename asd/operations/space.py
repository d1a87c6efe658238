"""Disk and memory that a run will need, and what is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.attacks import GivenAttack
from asd.operations.forecast import Counted, DataFacts, Forecast
from asd.operations.plan import PlannedStage
from asd.params import Workspace
from asd.verify import cache_folder

GIB = 2**30
_RESIDENT_LIMIT = 2**31  # larger sets stay on disk as a memory map (asd.training.images)
_STATE_FACTOR = 3  # weights, and the two moments of Adam
_HISTORY_BYTES = 9  # a sample and epoch: two losses and a bit
_SAMPLE_BYTES = 300  # a row of the audit's table, or of an index
_TYPICAL_POISON = 0.1  # of an attack that does not say how much it plants


@dataclass(frozen=True)
class Need:
    """Bytes needed and there of one thing (`disk of ...`, `memory`); `cure` when it is short."""

    what: str
    needed: int
    there: int
    cure: str

    @property
    def short(self) -> bool:
        """Whether there is too little."""
        return self.needed > self.there


def tree_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where there is nothing."""
    if path.is_symlink() or not path.exists():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def needs(workspace: Workspace, stale: Sequence[PlannedStage], found: Forecast, jobs: int = 1) -> list[Need]:
    """Disk and memory for the stale stages, with `jobs` at the same time.

    Outputs that are there are taken as large as they are; others are estimated from the size of
    the data and of the network. What cannot be known counts nothing.
    """
    counted = Counted(workspace, stale)
    root = workspace.layout.root
    old = {stage.name: sum(tree_bytes(root / out) for out in stage.outs) for stage in stale}
    new = {s.name: old[s.name] or _estimate(workspace, s, counted, found) for s in stale}
    # a step writes its new output beside the old one; dvc keeps a copy of it in the cache
    work = sum(new[name] - old[name] for name in new) + max(new.values(), default=0)
    work += _pixels(workspace, counted)
    disks = _disks({root: work, cache_folder(root): sum(new.values())})
    return [*disks, *_memory(counted, found, jobs)]


def _estimate(workspace: Workspace, stage: PlannedStage, counted: Counted, found: Forecast) -> int:
    facts = counted.facts_of(stage.item.dataset)
    if facts is None:
        return 0
    image = facts.image_bytes + _SAMPLE_BYTES
    if stage.step == "fetch":
        return (facts.train + facts.test) * image
    if stage.step == "poison":
        attack = workspace.variant("attacks", stage.item.attack_name)
        given = isinstance(attack.module, GivenAttack)  # its poison lies in the data already
        share = 0.0 if given else float(getattr(attack.params, "poison_fraction", _TYPICAL_POISON))
        return int((share * facts.train + 3 * facts.test) * image)
    if stage.step in ("stage1", "stage2", "stage3"):
        work = counted.work.get(stage.name)
        history = facts.train * _HISTORY_BYTES * (work.epochs + 1 if work else 1)
        return _STATE_FACTOR * (found.parameter_bytes or 0) + history
    return facts.train * _SAMPLE_BYTES if stage.step == "audit" else 0


def _pixels(workspace: Workspace, counted: Counted) -> int:
    """Decoded images that are not in the pixel cache yet: of each set that is trained on, and its tests."""
    sets = {(stage.item.dataset, stage.item.attack) for stage in counted.stages}
    wanted = 0
    for dataset, _ in sets:
        facts = counted.facts_of(dataset)
        wanted += (facts.train + 4 * facts.test) * facts.image_bytes if facts else 0
    return max(0, wanted - tree_bytes(workspace.layout.pixel_cache))


def _disks(wanted: dict[Path, int]) -> list[Need]:
    """One need per file system; the cache often lies on that of the workspace."""
    by_device: dict[int, tuple[Path, int]] = {}
    for place, needed in wanted.items():
        there = _existing(place)
        device = there.stat().st_dev
        first, before = by_device.get(device, (there, 0))
        by_device[device] = (first, before + needed)
    cure = "free some space (`asd clean --dry-run` says what can go)"
    return [
        Need(f"disk at {place}", needed, shutil.disk_usage(place).free, cure)
        for place, needed in by_device.values()
    ]


def _existing(place: Path) -> Path:
    while not place.exists():
        place = place.parent
    return place


def _memory(counted: Counted, found: Forecast, jobs: int) -> Iterable[Need]:
    import psutil

    if found.peak_bytes is None or found.device != "cpu":
        return
    data = max((_resident(facts) for facts in counted.facts.values() if facts), default=0)
    cure = "close other programs, use fewer --jobs, or choose a smaller batch or network"
    yield Need("memory", jobs * (found.peak_bytes + data), psutil.virtual_memory().available, cure)


def _resident(facts: DataFacts) -> int:
    size = facts.train * facts.image_bytes
    return size if size < _RESIDENT_LIMIT else 0
