"""Which form a drop has, and its files as one stream."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from asd.datasets._tars import Forward
from asd.datasets._wds import PICTURES, split_name
from asd.errors import DataError
from asd.intake.checks import check_name, ending_of
from asd.intake.readers import folder, labels
from asd.intake.readers.class_folders import CommonFolder, read_class_folders
from asd.intake.readers.entry import Entry, File, Limits, ReadError, read_file
from asd.intake.readers.streams import Budget, ForwardOnly, Window, spooled, unpacked
from asd.intake.readers.tar import tar_files
from asd.intake.readers.webdataset import read_samples
from asd.intake.readers.zip import zip_files

FORMS = (
    "a folder of class folders, Parquet with img or image and label, WebDataset tars, a CSV or JSONL of path "
    "and label, or a zip or tar of those"
)
_MOST_LABELS_FILES = 16
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_PARQUET = b"PAR1"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")


class Progress(Protocol):
    """What a reader says while it works."""

    def opened(self, number: int, name: str) -> None:
        """An archive or table is begun."""

    def busy(self) -> None:
        """It is still at work."""


@dataclass
class Tree:
    """The files of a drop, to be gone through as often as is needed.

    Attributes:
        files: begins anew; a file can be opened until the next one is taken.
        archive: whose members they are, or empty for a folder on disk.
        labels: the labels file that counts, if somebody has said so.
        damage: where and why the archive could not be read on.
    """

    files: Callable[[], Iterable[File]]
    archive: str = ""
    labels: str | None = None
    damage: ReadError | None = None

    def all(self) -> Iterator[File]:
        """The files up to where the archive is damaged."""
        try:
            yield from self.files()
        except ReadError as error:
            self.damage = error

    def open(self, name: str) -> BinaryIO:
        """One of its files.

        Raises:
            ReadError: it cannot be read, or is not there any more.
        """
        for file in self.all():
            if file.name == name and file.problem is None:
                return file.open()
        raise self.damage or ReadError("damaged-archive", "it is gone")


@dataclass
class _Look:
    """What the names of a drop say of its form."""

    common: CommonFolder
    count: int = 0
    tables: int = 0
    shards: int = 0
    cls: int = 0
    json: int = 0
    pictures: int = 0
    labels: list[str] = field(default_factory=list)

    def see(self, file: File) -> None:
        self.count += 1
        if file.problem is not None or check_name(file.name) is not None:
            return
        ending = ending_of(file.name)
        self.common.see(file.name, picture=ending in PICTURES)
        self.tables += ending == "parquet"
        self.shards += _is_tar(file.name)
        self.cls += ending == "cls"
        self.json += ending == "json"
        self.pictures += split_name(file.name)[1] in PICTURES
        is_near = ending in labels.ENDINGS and file.name.count("/") <= 1
        if is_near and len(self.labels) < _MOST_LABELS_FILES and _holds_labels(file):
            self.labels.append(file.name)

    @property
    def containers(self) -> str | None:
        """`parquet` or `tar` where the drop consists of such files; some among pictures are strays."""
        kind, count = max((("parquet", self.tables), ("tar", self.shards)), key=lambda one: one[1])
        return kind if count > self.pictures else None

    @property
    def samples(self) -> bool:
        """Whether pictures have members with their labels beside them."""
        return self.cls > 0 or 0 < self.pictures <= 2 * self.json


class NeedsTablesError(Exception):
    """There is Parquet in the archive, and pyarrow was not imported while that could be done."""


@dataclass(frozen=True)
class Drop:
    """A drop that was found on disk, nothing of it parsed.

    Attributes:
        path: a folder (also where a labels file in it was given), or a file.
        labels: that labels file.
        stream: the file.
        has_tables: whether Parquet can be seen from outside.
    """

    path: Path
    labels: str | None
    stream: BinaryIO | None
    has_tables: bool


@contextlib.contextmanager
def open_drop(source: Path) -> Iterator[Drop]:
    """Find a drop on disk; a file is open as long as the context lasts.

    Raises:
        DataError: it cannot be read.
    """
    chosen = None
    if not source.is_dir() and ending_of(source.name) in labels.ENDINGS:
        source, chosen = source.parent.resolve(), source.name
    if source.is_dir():
        tables = any(ending_of(file.name) == "parquet" for file in folder.walk(source))
        yield Drop(source, chosen, None, tables)
        return
    try:
        stream = folder.one_file(source).open()
    except OSError as error:
        raise DataError(f"cannot read {source}: {error.strerror}") from error
    with stream:
        head = stream.read(len(_PARQUET))
        stream.seek(0)
        yield Drop(source, None, stream, head == _PARQUET)


def read_drop(drop: Drop, limits: Limits, start: int, progress: Progress, spool: BinaryIO) -> Iterator[Entry]:
    """Everything in a drop, in a stable order.

    Args:
        drop: where it is.
        limits: caps.
        start: archives and tables before this number are left out.
        progress: hears which archive or table is begun.
        spool: a nameless temporary file for tables inside compressed archives.

    Raises:
        DataError: this is no drop.
    """
    name, stream = drop.path.name, drop.stream
    if stream is None:
        tree = Tree(lambda: folder.walk(drop.path), labels=drop.labels)
        yield from _read_tree(tree, limits, start, progress, spool)
        return
    head = stream.read(512)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if head.startswith(_PARQUET):
        tree = Tree(lambda: [OpenFile(name, size, stream)], name)
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        tree = Tree(lambda: zip_files(stream, size, _budget(size, limits, progress)), name)
    elif head.startswith(_PACKED) or head[257:262] == b"ustar" or _is_tar(name):
        tree = Tree(lambda: _tar_tree(stream, size, limits, progress), name)
    else:
        raise DataError(f"{name} is no drop: wanted {FORMS}")
    yield from _read_tree(tree, limits, start, progress, spool)


@dataclass(frozen=True)
class OpenFile:
    """A file that is the whole drop, as a list of one."""

    name: str
    size: int
    stream: BinaryIO
    problem: None = None
    seekable: bool = True

    def open(self) -> BinaryIO:
        """It, from its start."""
        return cast(BinaryIO, Window(self.stream, 0, self.size))


def _budget(size: int, limits: Limits, progress: Progress) -> Budget:
    return Budget(size, limits.most_bytes, progress.busy)


def _tar_tree(stream: BinaryIO, size: int, limits: Limits, progress: Progress) -> Iterator[File]:
    stream.seek(0)
    return tar_files(*unpacked(stream, size, _budget(size, limits, progress)))


def _read_tree(
    tree: Tree, limits: Limits, start: int, progress: Progress, spool: BinaryIO
) -> Iterator[Entry]:
    if tree.archive:
        if start:  # the reader died of this archive
            return
        progress.opened(0, tree.archive)
    look = _Look(CommonFolder(limits.class_names))
    for file in tree.all():
        look.see(file)
    if not look.count:
        raise DataError(str(tree.damage) if tree.damage else "the drop is empty")
    tree.damage = None
    yield from _entries(tree, look, limits, start, progress, spool)
    if tree.damage is not None:
        yield Entry(tree.archive, code=tree.damage.code, message=str(tree.damage))


def _entries(
    tree: Tree, look: _Look, limits: Limits, start: int, progress: Progress, spool: BinaryIO
) -> Iterator[Entry]:
    """The files of a drop whose form is known by now."""
    chosen = tree.labels or _labels_file(look, tree)
    if tree.labels is None and look.containers is not None:
        yield from _read_containers(tree, look.containers, limits, start, progress, spool)
    elif tree.archive and look.samples:
        yield from read_samples(tree.all(), "", limits)
    elif chosen is not None:
        prefix = chosen.rpartition("/")[0] + "/" if "/" in chosen else ""
        try:
            with tree.open(chosen) as stream:
                said = labels.LabelsFile(chosen, prefix, stream)
            yield from labels.read_labelled(tree.all(), said, lambda: tree.open(chosen), limits)
        except (OSError, ReadError) as error:  # without it nothing is known of any label
            raise DataError(f"{chosen} cannot be read: {error}") from error
    else:
        yield from read_class_folders(tree.all(), look.common.prefix, limits)


def _labels_file(look: _Look, tree: Tree) -> str | None:
    """The labels file at the top of the drop, if there is one.

    Raises:
        DataError: there are several.
    """
    prefix = look.common.shared
    found = [name for name in look.labels if name.removeprefix(prefix).count("/") == 0]
    if len(found) > 1 and tree.labels is None and look.containers is None:
        raise DataError(f"{len(found)} labels files ({', '.join(found[:4])}); name the one that counts")
    return found[0] if found else None


def _read_containers(
    tree: Tree, kind: str, limits: Limits, start: int, progress: Progress, spool: BinaryIO
) -> Iterator[Entry]:
    """The rows of tables or the samples of tars; other files are strays."""
    if kind == "parquet" and "pyarrow" not in sys.modules:
        raise NeedsTablesError
    number = 0
    for file in tree.all():
        is_one = ending_of(file.name) == "parquet" if kind == "parquet" else _is_tar(file.name)
        if file.problem is not None or check_name(file.name) is not None or not is_one:
            if start == 0:
                yield _stray(file, kind, limits)
            continue
        if number >= start:
            if not tree.archive:
                progress.opened(number, file.name)
            try:
                with file.open() as stream:
                    if kind == "parquet":
                        yield from _table(file, stream, spool, limits)
                    else:
                        yield from _shard(file, stream, limits, progress)
            except OSError as error:
                message = error.strerror or "cannot be read"
                yield Entry(file.name, None, None, file.size, "unreadable", message)
            except ReadError as error:
                yield Entry(file.name, None, None, file.size, error.code, str(error))
        number += 1


def _table(file: File, stream: BinaryIO, spool: BinaryIO, limits: Limits) -> Iterator[Entry]:
    from asd.intake.readers.parquet import read_table

    if not file.seekable:
        try:
            stream = spooled(stream, spool)
        except DataError as error:
            raise ReadError("damaged-archive", str(error)) from error
    yield from read_table(file.name, stream, limits)


def _shard(file: File, stream: BinaryIO, limits: Limits, progress: Progress) -> Iterator[Entry]:
    archive: tuple[Forward, BinaryIO | None] = ForwardOnly(stream, None), None
    if file.seekable:
        archive = unpacked(stream, file.size, _budget(file.size, limits, progress))
    yield from read_samples(tar_files(*archive), file.name + "/", limits)


def _stray(file: File, kind: str, limits: Limits) -> Entry:
    entry = read_file(file, None, limits)
    if entry.code:
        return entry
    return Entry(
        entry.path, None, entry.data, entry.size, "stray-file", f"this drop consists of .{kind} files"
    )


def _is_tar(name: str) -> bool:
    return name.lower().endswith(_TAR_ENDINGS)


def _holds_labels(file: File) -> bool:
    try:
        with file.open() as stream:
            return labels.has_columns(file.name, stream)
    except (OSError, ReadError):
        return False
