"""A folder on disk as a list of files: no link is followed, nothing but regular files is opened.

Whoever sends a drop may change it while it is read. So each folder and file is opened below the
folder that is open already, and never by a path of which a part may have become a link.
"""

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


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class FolderFile:
    """A name below the folder; `problem` is a code and words where it is no regular file.

    It can be opened until the next one is taken.
    """

    name: str
    size: int
    problem: tuple[str, str] | None
    _path: str
    _folder: int | None = None  # the open folder that `_path` counts from

    @property
    def seekable(self) -> bool:
        """Whether its stream can go back."""
        return True

    def open(self) -> BinaryIO:
        """The file, to be read; OSError if that cannot be, or it was exchanged for something else."""
        handle = os.open(self._path, _FILE, dir_fd=self._folder)
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
        DataError: the folder itself cannot be read, or is a link.
    """
    try:
        handle = os.open(folder, _FOLDER)
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error
    yield from _walk(handle, "")


def _walk(handle: int, prefix: str) -> Iterator[FolderFile]:
    """What lies in an open folder, which is closed in the end."""
    try:
        if prefix.count("/") > MOST_PARTS:
            yield _refused(prefix, "long-name", "folders too deep in one another")
            return
        try:
            with os.scandir(handle) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield _refused(prefix, "unreadable", error.strerror)
            return
        for entry in entries:
            name = prefix + entry.name
            if name == COMPLETE:
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield _file(entry, name, handle)
                continue
            try:
                inner = os.open(entry.name, _FOLDER, dir_fd=handle)
            except OSError as error:
                yield _refused(name, "unreadable", error.strerror)
                continue
            yield from _walk(inner, name + "/")
    finally:
        os.close(handle)


def _refused(name: str, code: str, words: str | None) -> FolderFile:
    return FolderFile(name.rstrip("/"), 0, (code, words or "cannot be read"), "")


def _file(entry: os.DirEntry[str], name: str, folder: int) -> FolderFile:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        return _refused(name, "unreadable", error.strerror)
    problem = None
    if stat.S_ISLNK(found.st_mode):
        problem = ("link", "a symbolic link")
    elif not stat.S_ISREG(found.st_mode):
        problem = ("not-a-file", "neither a file nor a folder")
    return FolderFile(name, found.st_size, problem, entry.name, folder)
