"""Logs in which every line carries the hash of the line before it (JSON lines, meant for git).

A line that is changed, added or taken out anywhere but at the end breaks the chain. Lines
missing at the end break nothing: who must find that keeps the hash of the last line.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import BusyError, DataError
from asd.store import atomic_file, disk_errors

START = "0" * 64
"""What the first line names as the line before it; the head of an empty log."""

PREVIOUS = "previous"
PATIENCE_SECONDS = 60.0  # who signs may be typing a passphrase
_POLL_SECONDS = 0.02
_MEND = "take the file back from git"


@dataclass(frozen=True)
class Link:
    """One line: what it says, the hash (hex) of the line before, and its own."""

    value: dict[str, Any]
    previous: str
    sha256: str


class Chain:
    """A log that is held by `hold_chain`: what stands in it, and a way to add to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = _read(path)
        self.links = parse_chain(self._bytes, str(path))

    def append(self, value: Mapping[str, Any]) -> Link:
        """Add a line; on return it is on disk, whole."""
        previous = head(self.links)
        line = line_bytes(value, previous)
        content = self._bytes + line
        with atomic_file(self._path) as temporary:
            temporary.write_bytes(content)
        link = Link(dict(value), previous, hashlib.sha256(line).hexdigest())
        self._bytes = content
        self.links = [*self.links, link]
        return link


@contextlib.contextmanager
def hold_chain(path: Path, *, patience: float = PATIENCE_SECONDS) -> Iterator[Chain]:
    """Hold a log, so that a second process waits; whatever goes with a line can be written meanwhile.

    The lock is on the folder: the file is replaced when a line is added, and a file for the
    lock alone would end up in git. Do not nest it for two logs of one folder.

    Args:
        patience: seconds to wait for another process.

    Raises:
        BusyError: another process still holds it then.
        DataError: the chain is broken.
        DiskError: the folder may not be written to.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, path, patience)
        yield Chain(path)
    finally:
        os.close(handle)


def _lock(handle: int, path: Path, patience: float) -> None:
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise BusyError(f"another process writes to {path.parent}; wait for it or stop it") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def append_line(path: Path, value: Mapping[str, Any]) -> Link:
    """Add one line to a log, which need not exist yet; two writers at once lose nothing.

    Raises:
        DataError: the chain is broken; nothing is added to such a log.
        DiskError: disk full, or the folder may not be written to.
    """
    with hold_chain(path) as chain:
        return chain.append(value)


def read_chain(path: Path) -> list[Link]:
    """All lines of a log; none if there is no file.

    Raises:
        DataError: names the first line that is not as it was written.
    """
    return parse_chain(_read(path), str(path))


def parse_chain(content: bytes, name: str) -> list[Link]:
    """The lines of a log given as bytes; `name` is for the error.

    Raises:
        DataError: names the first line that is not as it was written.
    """
    links: list[Link] = []
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        value = _value(line, f"{name} line {number}")
        wanted = head(links)
        if value.pop(PREVIOUS) != wanted:
            raise DataError(
                f"{name} line {number}: the chain is broken; it does not follow "
                f"{f'line {number - 1} (SHA-256 {wanted[:12]})' if links else 'the start of the log'}: "
                f"a line was changed, added or taken out; {_MEND}"
            )
        links.append(Link(value, wanted, hashlib.sha256(line).hexdigest()))
    return links


def _value(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON; {_MEND}") from error
    if not isinstance(value, dict) or not isinstance(value.get(PREVIOUS), str):
        raise DataError(f"{where}: no object with {PREVIOUS!r}; {_MEND}")
    rest = {key: found for key, found in value.items() if key != PREVIOUS}
    try:
        same = (
            line_bytes(rest, value[PREVIOUS]) == line
        )  # names given twice, NaN, line ends of another system
    except ValueError:
        same = False
    if not same:
        raise DataError(f"{where}: not written as asd writes it (sorted, one space, \\n); {_MEND}")
    return value


def head(links: list[Link]) -> str:
    """The hash (hex) of the last line, which the next line will name."""
    return links[-1].sha256 if links else START


def line_bytes(value: Mapping[str, Any], previous: str) -> bytes:
    """One line: JSON with sorted names in ASCII, and a line end.

    Raises:
        ValueError: `value` holds what JSON does not know.
    """
    whole = {**value, PREVIOUS: previous}
    return (json.dumps(whole, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, wanted a log file") from error
