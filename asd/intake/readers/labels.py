"""Pictures with a CSV or JSONL of path and label beside them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from asd.datasets._labels_file import LABEL_COLUMNS, PATH_COLUMNS, delimiter_of, find_column, path_inside
from asd.errors import DataError
from asd.intake.readers.entry import Entry, File, Limits, read_file
from asd.intake.readers.seen import NameTable

ENDINGS = ("csv", "tsv", "jsonl")
_LONGEST_LINE = 2**16
_MOST_LABELS = 100_000
_MOST_BAD = 10_000
_USED = 2**31

Line = tuple[int, str, Any]
"""Its number in the file, path and label; the path is empty where the line cannot be read."""


class LabelsFile:
    """A labels file: what it says of each path, in 20 to 40 bytes a line.

    Args:
        name: of the file in the drop.
        prefix: the folder that it lies in, with a slash; its paths count from there.
        stream: its bytes.

    Raises:
        DataError: it has no columns of path and label, or is no text.
    """

    def __init__(self, name: str, prefix: str, stream: BinaryIO) -> None:
        self.name = name
        self._prefix = prefix
        self._table = NameTable()
        self._labels: list[str | None] = []
        self._places: dict[str | None, int] = {}
        self.bad: list[Entry] = []
        for number, path, label in read_lines(stream, name):
            problem = self._put(path, label)
            if problem is not None and len(self.bad) >= _MOST_BAD:
                raise DataError(f"more than {_MOST_BAD} lines of {name} cannot be read")
            if problem is not None:
                self.bad.append(Entry(f"{name}#{number}", code=problem[0], message=problem[1]))

    def _put(self, path: str, label: Any) -> tuple[str, str] | None:
        if not path:
            return "bad-line", "no path and label in the line"
        try:
            whole = self._prefix + path_inside(path, "the line")
        except DataError as error:
            return "unsafe-path", str(error)
        text = _text(label)
        if text not in self._places:
            if len(self._labels) >= _MOST_LABELS:
                raise DataError(f"{self.name} holds more than {_MOST_LABELS} different labels")
            self._places[text] = len(self._labels)
            self._labels.append(text)
        if not self._table.put(whole, self._places[text]):
            return "ambiguous", f"{path[:200]!r} stands there twice"
        return None

    def take(self, name: str) -> tuple[bool, str | None]:
        """Whether it names this file, and the label that it gives it."""
        place = self._table.get(name)
        if place is None:
            return False, None
        self._table.set(name, place | _USED)
        return True, self._labels[place & ~_USED]

    def missing(self, stream: BinaryIO) -> Iterator[Entry]:
        """An entry for each line whose file was not taken."""
        for number, path, label in read_lines(stream, self.name):
            try:
                place = self._table.get(self._prefix + path_inside(path, "the line"))
            except DataError:
                continue
            if place is not None and not place & _USED:
                self._table.set(self._prefix + path_inside(path, ""), place | _USED)
                message = f"{path[:200]!r} is not in the drop"
                yield Entry(f"{self.name}#{number}", _text(label), code="missing-file", message=message)


def read_labelled(
    files: Iterable[File], labels: LabelsFile, again: Callable[[], BinaryIO], limits: Limits
) -> Iterator[Entry]:
    """Each file with its label, then the lines that name no file.

    Args:
        files: of the drop.
        labels: what its labels file says.
        again: opens that file once more.
        limits: caps.
    """
    yield from labels.bad
    for file in files:
        if file.name == labels.name:
            continue
        listed, label = labels.take(file.name)
        entry = read_file(file, label, limits)
        if not listed and not entry.code:
            entry = replace(entry, code="unlisted", message=f"{labels.name} does not name it")
        yield entry
    with again() as stream:
        yield from labels.missing(stream)


def has_columns(name: str, stream: BinaryIO) -> bool:
    """Whether the first line names a path and a label."""
    try:
        first = next(_lines(stream, name), "")
        return (_note(first) if _is_json(name) else _columns(first)) is not None
    except (DataError, csv.Error):
        return False


def read_lines(stream: BinaryIO, name: str) -> Iterator[Line]:
    """The lines of a labels file, the first one with the columns' names left out.

    Raises:
        DataError: no text, a line too long to be one, or no such columns.
    """
    lines = _lines(stream, name)
    yield from _from_json(lines) if _is_json(name) else _from_csv(lines, name)


def _is_json(name: str) -> bool:
    return name.lower().endswith(".jsonl")


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    buffered = io.BufferedReader(stream)  # type: ignore[type-var]
    first = True
    while line := buffered.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise DataError(f"{name}: a line of more than {_LONGEST_LINE} bytes")
        try:
            yield line.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is not UTF-8 text") from error
        first = False


def _columns(line: str) -> tuple[str, int, int] | None:
    """Delimiter, and places of path and label, of a first line that names them."""
    delimiter = delimiter_of(line)
    header = [word.strip() for word in next(csv.reader([line], delimiter=delimiter), [])]
    path, label = find_column(header, PATH_COLUMNS), find_column(header, LABEL_COLUMNS)
    return None if path is None or label is None else (delimiter, header.index(path), header.index(label))


def _from_csv(lines: Iterator[str], name: str) -> Iterator[Line]:
    found = _columns(next(lines, ""))
    if found is None:
        raise DataError(f"{name}: its first line names no path and label")
    delimiter, path_at, label_at = found
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            words = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num + 1, "", None
            continue
        if any(words):
            whole = max(path_at, label_at) < len(words)
            path, label = (words[path_at].strip(), words[label_at]) if whole else ("", None)
            yield reader.line_num + 1, path, label


def _note(line: str) -> tuple[str, Any] | None:
    """Path and label of a line of JSON that holds both."""
    try:
        note = json.loads(line)
    except (ValueError, RecursionError):
        return None
    columns = list(note) if isinstance(note, dict) else []
    path, label = find_column(columns, PATH_COLUMNS), find_column(columns, LABEL_COLUMNS)
    if path is None or label is None or not isinstance(note[path], str):
        return None
    return note[path].strip(), note[label]


def _from_json(lines: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            path, label = _note(line) or ("", None)
            yield number, path, label


def _text(label: Any) -> str | None:
    """A label as text; what is neither a name nor a whole number is none."""
    if isinstance(label, float):
        label = int(label) if math.isfinite(label) and label.is_integer() else None
    if isinstance(label, bool) or not isinstance(label, (str, int)):
        return None
    return str(label).strip()
