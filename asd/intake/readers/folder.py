"""A folder on disk as a list of files: no link is followed, nothing but regular files is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from asd.errors import DataError
from asd.intake.checks import MOST_PARTS

COMPLETE = ".complete"
"""A marker that a sender puts into a drop last; no part of it."""


@dataclass(frozen=True)
class FolderFile:
    """A name below the folder; `problem` is a code and words where it is no regular file."""

    name: str
    size: int
    problem: tuple[str, str] | None
    _path: str

    @property
    def seekable(self) -> bool:
        """Whether its stream can go back."""
        return True

    def open(self) -> BinaryIO:
        """The file, to be read; OSError if that cannot be, or it was exchanged for something else."""
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(0, "it was exchanged while it was read")
        return os.fdopen(handle, "rb", buffering=0)


def one_file(path: Path) -> FolderFile:
    """A file that is a whole drop."""
    return FolderFile(path.name, path.stat().st_size, None, str(path))


def walk(folder: Path) -> Iterator[FolderFile]:
    """Everything below the folder that is no folder, sorted name by name within each folder.

    Raises:
        DataError: the folder itself cannot be read.
    """
    yield from _walk(str(folder), "", folder)


def _walk(path: str, prefix: str, top: Path) -> Iterator[FolderFile]:
    if prefix.count("/") > MOST_PARTS:
        yield FolderFile(prefix.rstrip("/"), 0, ("long-name", "folders too deep in one another"), path)
        return
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        if not prefix:
            raise DataError(f"cannot read {top}: {error.strerror}") from error
        yield FolderFile(prefix.rstrip("/"), 0, ("unreadable", error.strerror or "cannot be read"), path)
        return
    for entry in entries:
        name = prefix + entry.name
        if name == COMPLETE:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, name + "/", top)
            continue
        yield _file(entry, name)


def _file(entry: os.DirEntry[str], name: str) -> FolderFile:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        return FolderFile(name, 0, ("unreadable", error.strerror or "cannot be read"), entry.path)
    problem = None
    if stat.S_ISLNK(found.st_mode):
        problem = ("link", "a symbolic link")
    elif not stat.S_ISREG(found.st_mode):
        problem = ("not-a-file", "neither a file nor a folder")
    return FolderFile(name, found.st_size, problem, entry.path)
