"""Hash everything again: shards, results, DVC's cache and remotes that are local folders.

DVC takes an object for intact as long as its time stamp is; only reading it tells.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from asd.drop_records import read_records
from asd.errors import AsdError, DataError
from asd.layout import Layout
from asd.shards.drop_folder import verify_drop
from asd.shards.manifest import MANIFEST
from asd.shards.verify import verify_folder

OBJECTS = Path("files") / "md5"
_PREFIX = re.compile(r"[0-9a-f]{2}")
_REST = re.compile(r"[0-9a-f]{30}(\.dir)?")


@dataclass(frozen=True)
class Broken:
    """One thing that is not what its manifest, its name or `dvc.lock` says."""

    place: str
    problem: str
    cure: str


@dataclass
class Findings:
    """What was hashed, and what was wrong with it.

    Attributes:
        checked: number of things hashed, by kind (`shard folders`, `results`, ...).
        skipped: what could not be checked from here, such as remotes on other hosts.
    """

    broken: list[Broken] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def note(self, kind: str, found: Iterator[Broken | None]) -> None:
        """Count each thing that was hashed and keep the broken ones."""
        self.checked.setdefault(kind, 0)
        for one in found:
            self.checked[kind] += 1
            if one is not None:
                self.broken.append(one)


def verify_workspace(root: Path) -> Findings:
    """Hash the workspace at `root`, its cache and its remotes again.

    Raises:
        DataError: DVC's settings cannot be read.
    """
    layout = Layout(root)
    settings = _dvc_settings(root)
    cache = root / settings.get("cache.dir", ".dvc/cache")
    findings = Findings()
    findings.note("shard folders", _shards(layout))
    if layout.drop_records.is_dir():
        findings.note("drops", _drops(layout))
    findings.note("results", _results(layout, cache))
    findings.note("cache objects", _objects(cache, "delete it, then `dvc pull` or `asd run`"))
    for key, url in sorted(settings.items()):
        remote = re.fullmatch(r"remote\.(.+)\.url", key)
        if remote is None:
            continue
        place = Path(url.removeprefix("file://"))
        if "://" in str(url.removeprefix("file://")):
            findings.skipped.append(f"remote {remote[1]} ({url}) is not a local folder")
        elif not place.is_dir():
            findings.skipped.append(f"remote {remote[1]}: no folder {place}")
        else:
            findings.note(f"objects of remote {remote[1]}", _objects(place, "delete it, then `dvc push`"))
    return findings


def cache_folder(root: Path) -> Path:
    """Where DVC keeps its objects.

    Raises:
        DataError: DVC's settings cannot be read.
    """
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"dvc cannot read its settings in {root}: {last}")
    return (root / done.stdout.strip()).resolve()


def cached_object(cache: Path, md5: str) -> Path:
    """Where a cache keeps the file (or, with `.dir`, the folder listing) of this MD5."""
    return cache / OBJECTS / md5[:2] / md5[2:]


def _dvc_settings(root: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "dvc", "config", "--list"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise DataError(f"dvc cannot read its settings in {root}: {last[0]}")
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, separator, value in pairs if separator}


def _shards(layout: Layout) -> Iterator[Broken | None]:
    for manifest in sorted(layout.data.rglob(MANIFEST)):
        folder = manifest.parent
        if any(part.startswith(".") for part in folder.relative_to(layout.data).parts):
            continue  # still being written
        if folder.is_relative_to(layout.drops):
            continue  # of another form; see _drops
        try:
            verify_folder(folder)
        except AsdError as error:
            place = str(folder.relative_to(layout.root))
            yield Broken(place, str(error), f"delete {place}, then `dvc checkout` or `asd run`")
        else:
            yield None


def _drops(layout: Layout) -> Iterator[Broken | None]:
    """The folders of all drops against their records."""
    try:
        records = read_records(layout)
    except AsdError as error:
        yield Broken(str(layout.drop_records), str(error), "take the file back from git")
        return
    for part in (part for record in records for part in record.parts):
        folder = layout.drops / part.folder
        try:
            verify_drop(folder, part.manifest_sha256)
        except AsdError as error:
            place = str(folder.relative_to(layout.root))
            yield Broken(place, str(error), f"delete {place}, then `dvc checkout {place}.dvc` or `dvc pull`")
        else:
            yield None


# -- results of the stages ---------------------------------------------------------------------


def _results(layout: Layout, cache: Path) -> Iterator[Broken | None]:
    """Files that `dvc.lock` names and that are not newer than it (a newer one is not recorded yet)."""
    lock = layout.root / "dvc.lock"
    if not lock.is_file():
        return
    recorded_at = lock.stat().st_mtime_ns
    for relative, md5 in sorted(_recorded(lock, cache)):
        file = layout.root / relative
        if file.is_file() and file.stat().st_mtime_ns <= recorded_at:
            same = _md5(file) == md5
            cure = f"delete {relative}, then `dvc checkout` or `asd run`"
            yield None if same else Broken(relative, "its content is not what dvc.lock says", cure)


def _recorded(lock: Path, cache: Path) -> Iterator[tuple[str, str]]:
    """Path and MD5 of every file that the stages in `dvc.lock` wrote."""
    try:
        stages = yaml.safe_load(lock.read_text())["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{lock} is not a DVC lock file; delete it and run `dvc repro`") from error
    for out in outs:
        md5 = str(out.get("md5", ""))
        if md5.endswith(".dir"):
            for entry in cached_listing(cached_object(cache, md5)):
                yield f"{out['path']}/{entry['relpath']}", str(entry["md5"])
        elif md5:
            yield str(out["path"]), md5


def cached_listing(file: Path) -> list[dict[str, Any]]:
    """Entries of a cached folder; none if the cache lacks it or it is broken (that is found elsewhere)."""
    try:
        entries = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return []
    return [e for e in entries if isinstance(e, dict) and {"md5", "relpath"} <= set(e)]


# -- cache and remotes -------------------------------------------------------------------------


def _objects(store: Path, cure: str) -> Iterator[Broken | None]:
    """Every object of a DVC cache or remote against the MD5 that is its name."""
    folder = store / OBJECTS
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not (place.is_dir() and _PREFIX.fullmatch(place.name)):
            continue
        for file in sorted(place.iterdir()):
            if _REST.fullmatch(file.name):
                wanted = place.name + file.name.removesuffix(".dir")
                found = _md5(file)
                same = found == wanted
                yield None if same else Broken(str(file), f"its content has MD5 {found}, not its name", cure)


def _md5(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
