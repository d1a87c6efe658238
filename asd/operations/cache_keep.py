"""Which objects of DVC's cache are named by something that must stay, and which are not.

Named are: all of the current `dvc.lock` (also entries of cells that params no longer list), all
`.dvc` files, and the whole history of every exported model: `models/*/model.json` names a cell
and hashes, and DVC's run cache says from what the cell was made and what was made from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asd.errors import DataError
from asd.layout import Layout
from asd.store import file_sha256
from asd.verify import OBJECTS, cached_listing, cached_object

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CELL = re.compile(r"[a-z0-9_]+/[a-z0-9_]+/[a-z0-9_]+/\d+")
_STAGE_OUT = re.compile(r"data/runs/(?P<cell>[^/]+/[^/]+/[^/]+/\d+)/stage\d$")
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class CachedRun:
    """An entry of the run cache or of `dvc.lock`: MD5s of what a stage read, and of what it wrote."""

    reads: frozenset[str]
    writes: tuple[tuple[str, str], ...]

    @property
    def made(self) -> frozenset[str]:
        """MD5s of what it wrote."""
        return frozenset(md5 for _, md5 in self.writes)


def kept_hashes(layout: Layout, cache: Path) -> set[str]:
    """MD5s (folders with `.dir`) that must stay; the contents of folders are not listed.

    Raises:
        DataError: `dvc.lock`, a `.dvc` file or a model.json cannot be read, so nothing is sure.
    """
    keep = {md5 for run in _locked(layout) for md5 in run.made | run.reads}
    for file in layout.root.rglob("*.dvc"):
        if file.is_file():
            keep |= _run(_yaml(file)).made
    runs = list(_run_cache(cache))
    for model in sorted((layout.root / "models").glob("*/model.json")):
        keep |= _history(_of_model(model, runs, cache), runs)
    return keep


def objects_of(cache: Path, hashes: Iterable[str]) -> set[Path]:
    """The files of these objects and, of folders, of all that they list."""
    found: set[Path] = set()
    for md5 in hashes:
        file = cached_object(cache, md5)
        found.add(file)
        if md5.endswith(".dir"):
            found.update(cached_object(cache, entry["md5"]) for entry in cached_listing(file))
    return found


def all_objects(cache: Path) -> list[Path]:
    """Every object in the cache."""
    return sorted(file for file in (cache / OBJECTS).glob("[0-9a-f][0-9a-f]/*") if file.name[0] != ".")


# -- models ------------------------------------------------------------------------------------


def _of_model(file: Path, runs: list[CachedRun], cache: Path) -> list[CachedRun]:
    """The stages that wrote the weights that a model.json names by hash, else all of its cell."""
    try:
        words = set(_strings(json.loads(file.read_bytes())))
    except ValueError as error:
        raise DataError(f"{file} is not valid JSON; mend or delete it before the cache is cleaned") from error
    hashes = {word for word in words if _SHA256.fullmatch(word)}
    cells = {word for word in words if _CELL.fullmatch(word)}
    of_cells = [run for run in runs if _cell_of(run) in cells] if cells else [r for r in runs if _cell_of(r)]
    return [run for run in of_cells if _weights(run, cache) & hashes] or of_cells


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (str(key), *_strings(one))
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _cell_of(run: CachedRun) -> str | None:
    """The cell whose training stage this is; None for any other stage."""
    for path, _ in run.writes:
        if match := _STAGE_OUT.fullmatch(path):
            return match["cell"]
    return None


def _weights(run: CachedRun, cache: Path) -> set[str]:
    """SHA-256 of the weights that a stage wrote."""
    listings = [cached_listing(cached_object(cache, md5)) for md5 in run.made if md5.endswith(".dir")]
    files = [
        cached_object(cache, e["md5"]) for entries in listings for e in entries if e["relpath"] == _WEIGHTS
    ]
    return {file_sha256(file) for file in files if file.is_file()}


def _history(chosen: list[CachedRun], runs: list[CachedRun]) -> set[str]:
    """All that the chosen stages were made from, and what was made from all they wrote."""
    keep = {md5 for run in chosen for md5 in run.made}
    keep |= {md5 for run in runs if run.reads & keep for md5 in run.made}
    wanted = {md5 for run in runs if run.made & keep for md5 in run.reads}
    while wanted - keep:
        keep |= wanted
        wanted = {md5 for run in runs if run.made & keep for md5 in run.reads}
    return keep


# -- files of DVC ------------------------------------------------------------------------------


def _locked(layout: Layout) -> list[CachedRun]:
    lock = layout.root / "dvc.lock"
    if not lock.is_file():
        return []
    found = _yaml(lock)
    stages = found.get("stages", {})
    if not isinstance(stages, dict):
        raise DataError(f"{lock} is not a DVC lock file; mend or delete it before the cache is cleaned")
    return [_run(entry) for entry in stages.values()]


def _run_cache(cache: Path) -> Iterator[CachedRun]:
    """Entries that can be read; another one can restore nothing either."""
    for file in sorted((cache / "runs").glob("*/*/*")):
        try:
            yield _run(_yaml(file))
        except DataError:
            continue


def _run(entry: Any) -> CachedRun:
    if not isinstance(entry, dict):
        return CachedRun(frozenset(), ())
    deps, outs = (_with_hash(entry.get(name)) for name in ("deps", "outs"))
    return CachedRun(frozenset(md5 for _, md5 in deps), tuple(outs))


def _with_hash(entries: Any) -> list[tuple[str, str]]:
    found = entries if isinstance(entries, list) else []
    return [(str(e.get("path")), str(e["md5"])) for e in found if isinstance(e, dict) and e.get("md5")]


def _yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.load(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{file} cannot be read; mend or delete it before the cache is cleaned") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} holds no facts; mend or delete it before the cache is cleaned")
    return found
