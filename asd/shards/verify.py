"""Integrity that we own: DVC takes a tampered file for current, and so would a tar reader."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from asd import store
from asd.errors import DataError
from asd.shards.left_out import read_excluded, read_left_out
from asd.shards.manifest import EXCLUDED, INDEX, LEFT_OUT, MANIFEST, read_manifest
from asd.shards.read import Layer


def verify_folder(folder: Path) -> None:
    """Check that a folder of shards is what its manifest says, and holds nothing else.

    Raises:
        DataError: names the file, what was wanted and what was found.
    """
    manifest = read_manifest(folder)
    wanted = {MANIFEST, INDEX, *(shard.name for shard in manifest.shards)}
    wanted |= {LEFT_OUT} if manifest.left_out else set()
    wanted |= {EXCLUDED} if manifest.excluded else set()
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in wanted)
    if strangers:
        raise DataError(f"{folder} holds {strangers[0]!r}, which its manifest does not name")
    read_left_out(folder, manifest)
    read_excluded(folder, manifest)
    Layer.open(folder).verify()


@contextlib.contextmanager
def unchanged(*paths: Path) -> Iterator[None]:
    """Verify files and folders on entry and, if the body succeeds, that they are the same on exit.

    Folders of shards are checked against their manifests.

    Raises:
        DataError: one is missing, damaged, or was changed meanwhile.
    """
    for path in paths:
        if (path / MANIFEST).is_file():
            verify_folder(path)
    before = {path: _hashes(path) for path in paths}
    yield
    for path, hashes in before.items():
        if _hashes(path) != hashes:
            raise DataError(f"{path} was changed while it was being read; run again")


def _hashes(path: Path) -> dict[str, str]:
    """Relative name -> SHA-256 (hex) of a file or of every file below a folder."""
    if path.is_file():
        return {"": store.file_sha256(path)}
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {file.relative_to(path).as_posix(): store.file_sha256(file) for file in files}
    raise DataError(f"missing input {path}")
