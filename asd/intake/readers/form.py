"""Which form a drop has, and its files as one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from asd.errors import DataError
from asd.intake.checks import check_name, ending_of
from asd.intake.readers import folder
from asd.intake.readers.class_folders import CommonFolder, read_class_folders
from asd.intake.readers.entry import Entry, File, Limits, ReadError, read_file

FORMS = (
    "a folder of class folders, Parquet with img or image and label, WebDataset tars, a CSV or JSONL of path "
    "and label, or a zip or tar of those"
)


class Progress(Protocol):
    """What a reader says while it works."""

    def opened(self, number: int, name: str) -> None:
        """An archive or table is begun."""

    def busy(self) -> None:
        """It is still at work."""


def read_drop(source: Path, limits: Limits, start: int, progress: Progress) -> Iterator[Entry]:
    """Everything in a drop, in a stable order.

    Args:
        source: a folder or a file.
        limits: caps.
        start: archives and tables before this number are left out.
        progress: hears which archive or table is begun.

    Raises:
        DataError: this is no drop.
    """
    if source.is_dir():
        yield from _read_tree(lambda: folder.walk(source), limits, start, progress)
        return
    if source.suffix.lower() == ".parquet":
        yield from _read_tables([folder.one_file(source)], limits, start, progress)
        return
    raise DataError(f"{source.name} is no drop: wanted {FORMS}")


def _read_tree(
    files: Callable[[], Iterable[File]], limits: Limits, start: int, progress: Progress
) -> Iterator[Entry]:
    common, tables, count = CommonFolder(limits.class_names), False, 0
    for file in files():
        count += 1
        if check_name(file.name) is None:
            common.see(file.name)
            tables = tables or ending_of(file.name) == "parquet"
    if not count:
        raise DataError("the drop is empty")
    if tables:
        yield from _read_tables(files(), limits, start, progress)
    else:
        yield from read_class_folders(files(), common.prefix, limits)


def _read_tables(files: Iterable[File], limits: Limits, start: int, progress: Progress) -> Iterator[Entry]:
    from asd.intake.readers.parquet import read_table

    number = 0
    for file in files:
        if file.problem is not None or ending_of(file.name) != "parquet" or check_name(file.name):
            if start == 0:
                yield _stray(file, limits)
            continue
        if number >= start:
            progress.opened(number, file.name)
            try:
                with file.open() as stream:
                    yield from read_table(file.name, stream, limits)
            except (OSError, ReadError) as error:
                yield Entry(file.name, None, None, file.size, "unreadable", str(error))
        number += 1


def _stray(file: File, limits: Limits) -> Entry:
    entry = read_file(file, None, limits)
    if entry.code:
        return entry
    return Entry(entry.path, None, entry.data, entry.size, "stray-file", "this drop consists of tables")
