"""What lies in the inbox: one arrival for each `SOURCE/NAME`, and when it is whole.

The inbox is a folder, or a prefix of an object store (`s3://bucket/prefix`, by fsspec). Names in
it are texts of strangers: nothing is opened here, no link is followed, and nothing is hashed but
names, sizes and times. A drop is whole when a marker says so (`NAME/.complete`, or `NAME.complete`
beside a file) or when nothing of it has changed for a while.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import AsdError, DataError, ParamsError
from asd.intake.readers.folder import COMPLETE

MARKER = COMPLETE
_DEEPEST = 64  # folders in one another; the gate refuses what lies deeper


@dataclass(frozen=True)
class Arrival:
    """One drop as it lies in the inbox.

    Attributes:
        source: whom it is from: the folder of the inbox.
        name: its name there (text of a stranger).
        place: path, or address such as `s3://bucket/inbox/acme/monday`.
        fingerprint: hash (hex) over names, sizes and times; changes while it is being written.
        marker: when its marker was written, or the marker's hash; empty where it has none.
        files: files in it, without the marker.
    """

    source: str
    name: str
    place: str
    fingerprint: str
    marker: str
    files: int


@dataclass(frozen=True)
class Look:
    """What one look into the inbox found; `problems` are lines for a person."""

    arrivals: tuple[Arrival, ...]
    problems: tuple[str, ...]


def is_remote(inbox: str) -> bool:
    """Whether the inbox is an address and no folder."""
    return "://" in inbox


Skip = Callable[[str, str], bool]
"""Of a place and its marker: whether to leave it unread."""


def look(inbox: str, root: Path, skip: Skip = lambda place, marker: False) -> Look:
    """Every drop of the inbox, by source and name.

    Args:
        inbox: a folder (relative ones hang below `root`) or an address.
        skip: what to leave out unread.

    Raises:
        ParamsError: the inbox is no folder, or its kind of store is not known.
        DataError: the store does not answer.
    """
    if is_remote(inbox):
        return _look_remote(inbox, skip)
    problems: list[str] = []
    arrivals = []
    for source in _folders(root / inbox, problems):
        try:
            entries = sorted(os.scandir(source.path), key=lambda one: one.name)
        except OSError as error:
            problems.append(_alone(source.path, error.strerror))
            continue
        for entry in entries:
            if _is_aside(entry.name):
                continue
            try:
                found = _arrival(source.name, entry, skip)
            except FileNotFoundError:  # it went away in the meantime
                continue
            except (OSError, UnicodeEncodeError) as error:
                problems.append(_alone(entry.path, getattr(error, "strerror", "its name is not UTF-8")))
                continue
            if found is not None:
                arrivals.append(found)
    return Look(tuple(arrivals), tuple(problems))


def _alone(path: str, why: str | None) -> str:
    return f"{path!r} cannot be read: {why}; it is left alone"


def _folders(inbox: Path, problems: list[str]) -> Iterator[os.DirEntry[str]]:
    """The folders of the sources."""
    if not inbox.is_dir():
        raise ParamsError(f"service.inbox: {inbox} is no folder")
    for entry in sorted(os.scandir(inbox), key=lambda one: one.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield entry
        else:
            problems.append(
                f"{entry.path!r} is in no folder of a source (inbox/SOURCE/NAME); it is left alone"
            )


def _is_aside(name: str) -> bool:
    """Hidden files, and the markers that stand beside a drop."""
    return name.startswith(".") or name.endswith(MARKER)


def _arrival(source: str, entry: os.DirEntry[str], skip: Skip) -> Arrival | None:
    """None where it is to be skipped, or is an empty folder without a marker."""
    entry.name.encode()  # no server, log or journal takes half a letter
    facts = entry.stat(follow_symlinks=False)
    is_folder = stat.S_ISDIR(facts.st_mode)
    if not is_folder and not stat.S_ISREG(facts.st_mode):
        raise OSError(0, "neither a file nor a folder")
    marker = _marker(os.path.join(entry.path, MARKER) if is_folder else entry.path + MARKER)
    if skip(entry.path, marker):
        return None
    lines = list(_tree(entry.path)) if is_folder else [_line("", facts)]
    if not lines and not marker:
        return None
    return Arrival(source, entry.name, entry.path, _hash(lines), marker, len(lines))


def _marker(path: str) -> str:
    try:
        return str(os.lstat(path).st_mtime_ns)
    except FileNotFoundError:
        return ""


def _tree(top: str) -> Iterator[str]:
    """A line for everything below a folder but folders and the marker; follows no link."""
    waiting = [(top, "", 0)]
    while waiting:
        folder, prefix, depth = waiting.pop()
        for entry in os.scandir(folder):
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST:
                    waiting.append((entry.path, f"{name}/", depth + 1))
            elif name != MARKER:
                yield _line(name, entry.stat(follow_symlinks=False))


def _line(name: str, facts: os.stat_result) -> str:
    return f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_mode}"


def _hash(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line.encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()


# -- object stores ----------------------------------------------------------------------------


def open_store(address: str) -> tuple[Any, str]:
    """The file system of fsspec behind an address, and the path in it.

    Raises:
        ParamsError: the kind is not known, or its package is missing.
    """
    import fsspec

    kind = address.partition("://")[0]
    if kind != "s3":
        raise ParamsError(
            f"service.inbox: {address!r} is of kind {kind}; wanted a folder or s3://bucket/prefix"
        )
    try:
        system = fsspec.filesystem(kind, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise ParamsError(
            "service.inbox is an S3 address, for which a package is missing: `pip install 'asd[s3]'`"
        ) from error
    return system, str(system._strip_protocol(address))


def store_error(address: str, error: Exception) -> AsdError:
    """What an object store raised, in one line; stores raise errors of many kinds."""
    return DataError(f"{address}: {type(error).__name__}: {' '.join(str(error).split())}")


def objects(address: str) -> dict[str, dict[str, Any]]:
    """Relative name -> facts (`size`, `ETag` or `LastModified`) of every object below an address.

    Raises:
        DataError: the store does not answer.
    """
    system, prefix = open_store(address)
    prefix = prefix.rstrip("/")
    try:
        found = system.find(prefix, detail=True)
    except Exception as error:
        raise store_error(address, error) from error
    return {name.removeprefix(prefix).lstrip("/"): facts for name, facts in found.items()}


def _look_remote(inbox: str, skip: Skip) -> Look:
    base = inbox.rstrip("/")
    drops: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    problems = []
    for path, facts in objects(base).items():
        source, _, rest = path.partition("/")
        name, _, inner = rest.partition("/")
        if not rest:
            problems.append(f"{path!r} is in no folder of a source (SOURCE/NAME); it is left alone")
        elif name and not source.startswith(".") and not name.startswith("."):
            drops.setdefault((source, name), {})[inner] = facts
    arrivals = []
    for (source, name), inside in sorted(drops.items()):
        place = f"{base}/{source}/{name}"
        found = inside.get(MARKER) or drops.get((source, name + MARKER), {}).get("")
        marker = _object_line("", found) if found else ""
        if name.endswith(MARKER) or skip(place, marker):
            continue
        lines = [_object_line(key, facts) for key, facts in inside.items() if key != MARKER]
        if lines:
            arrivals.append(Arrival(source, name, place, _hash(lines), marker, len(lines)))
    return Look(tuple(arrivals), tuple(problems))


def _object_line(name: str, facts: dict[str, Any]) -> str:
    return f"{name}\0{facts['size']}\0{facts.get('ETag') or facts.get('LastModified')}"
