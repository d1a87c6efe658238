"""`left_out.json` beside the shards: pictures that could not be read, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asd import store
from asd.errors import DataError
from asd.shards.manifest import LEFT_OUT, LeftOutFile, Manifest
from asd.types import LeftOut


def write_left_out(folder: Path, left_out: Sequence[LeftOut]) -> LeftOutFile | None:
    """Write the record and give what the manifest says of it; no file where nothing was left out."""
    if not left_out:
        return None
    path = folder / LEFT_OUT
    path.write_bytes(store.json_bytes([asdict(one) for one in left_out]))
    return LeftOutFile(len(left_out), store.file_sha256(path))


def read_left_out(folder: Path, manifest: Manifest) -> tuple[LeftOut, ...]:
    """The record of a folder of shards; empty where its manifest names none.

    Raises:
        DataError: missing, or not what the manifest says.
    """
    if manifest.left_out is None:
        return ()
    path = folder / LEFT_OUT
    if not path.is_file():
        raise DataError(f"missing file {path}")
    if store.file_sha256(path) != manifest.left_out.sha256:
        raise DataError(f"{path}: its SHA-256 differs from the manifest; the file was changed or damaged")
    try:
        found = tuple(LeftOut(**one) for one in store.read_json(path))
    except TypeError as error:
        raise DataError(f"{path}: wanted objects with key, source and reason") from error
    if len(found) != manifest.left_out.count:
        raise DataError(f"{path}: names {len(found)} pictures, the manifest says {manifest.left_out.count}")
    return found
