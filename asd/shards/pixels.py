"""Decoded pixels as a memory map: derived from a view, named by it, rebuilt when absent or wrong."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asd import store
from asd.types import Images

Shape = tuple[int, int, int, int]


def cached_pixels(folder: Path, fingerprint: str, shape: Shape, fill: Callable[[Images], None]) -> Images:
    """The uint8 array (N, C, H, W) of the view named `fingerprint`, as a read-only memory map.

    The file is `<fingerprint>.npy`, its SHA-256 stands beside it. When either is missing or
    they do not agree, `fill` is called with an empty array to decode into.
    """
    path = folder / f"{fingerprint}.npy"
    with store.disk_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        # Two stages may want the same view at once; the second waits and then finds it.
        with (folder / f"{fingerprint}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_whole(path, shape):
                _build(path, shape, fill)
    return _open(path)


def _checksum(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_whole(path: Path, shape: Shape) -> bool:
    if not path.is_file() or not _checksum(path).is_file():
        return False
    if store.file_sha256(path) != _checksum(path).read_text().strip():
        return False
    found = _open(path)
    return found.shape == shape and found.dtype == np.uint8


def _open(path: Path) -> Images:
    pixels: Images = np.load(path, mmap_mode="r", allow_pickle=False)
    return pixels


def _build(path: Path, shape: Shape, fill: Callable[[Images], None]) -> None:
    with store.atomic_file(path) as temporary:
        if 0 in shape:  # an empty file cannot be mapped while it is written
            with temporary.open("wb") as stream:
                np.save(stream, np.zeros(shape, np.uint8), allow_pickle=False)
        else:
            pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            _reserve(temporary)
            fill(pixels)
            pixels.flush()
    with store.atomic_file(_checksum(path)) as temporary:
        temporary.write_text(store.file_sha256(path) + "\n")


def _reserve(path: Path) -> None:
    """Take the disk space now: a full disk must be an error here, not a crash inside the map."""
    with path.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
