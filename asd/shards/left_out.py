"""Records beside the shards: `left_out.json`, pictures that could not be read, each with its reason,
and `excluded.json`, pictures that people confirmed as poisoned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar

from asd import store
from asd.errors import DataError
from asd.shards.manifest import EXCLUDED, LEFT_OUT, LeftOutFile, Manifest
from asd.types import Excluded, LeftOut

_Entry = TypeVar("_Entry", LeftOut, Excluded)


def write_left_out(folder: Path, left_out: Sequence[LeftOut]) -> LeftOutFile | None:
    """Write the record and give what the manifest says of it; no file where nothing was left out."""
    return _write(folder / LEFT_OUT, left_out)


def write_excluded(folder: Path, excluded: Sequence[Excluded]) -> LeftOutFile | None:
    """Write the record and give what the manifest says of it; no file where nothing was excluded."""
    return _write(folder / EXCLUDED, excluded)


def read_left_out(folder: Path, manifest: Manifest) -> tuple[LeftOut, ...]:
    """What could not be read, of a folder of shards; empty where its manifest names no record.

    Raises:
        DataError: missing, or not what the manifest says.
    """
    return _read(folder / LEFT_OUT, manifest.left_out, LeftOut)


def read_excluded(folder: Path, manifest: Manifest) -> tuple[Excluded, ...]:
    """What was excluded, of a folder of shards; empty where its manifest names no record.

    Raises:
        DataError: missing, or not what the manifest says.
    """
    return _read(folder / EXCLUDED, manifest.excluded, Excluded)


def _write(path: Path, entries: Sequence[LeftOut] | Sequence[Excluded]) -> LeftOutFile | None:
    if not entries:
        return None
    path.write_bytes(store.json_bytes([asdict(one) for one in entries]))
    return LeftOutFile(len(entries), store.file_sha256(path))


def _read(path: Path, said: LeftOutFile | None, kind: type[_Entry]) -> tuple[_Entry, ...]:
    if said is None:
        return ()
    if not path.is_file():
        raise DataError(f"missing file {path}")
    if store.file_sha256(path) != said.sha256:
        raise DataError(f"{path}: its SHA-256 differs from the manifest; the file was changed or damaged")
    try:
        found = tuple(kind(**one) for one in store.read_json(path))
    except TypeError as error:
        names = [field.name for field in fields(kind)]
        raise DataError(f"{path}: wanted objects with {', '.join(names[:-1])} and {names[-1]}") from error
    if len(found) != said.count:
        raise DataError(f"{path}: names {len(found)} pictures, the manifest says {said.count}")
    return found
