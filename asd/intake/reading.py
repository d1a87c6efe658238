"""The process that reads a drop: files, rows and members out, one after the other, nothing written.

Started by `asd.intake.processes`. Archives and tables are parsed here and not in the gate.
"""

from __future__ import annotations

import encodings.cp437
import encodings.utf_8_sig  # noqa: F401  # later nothing can be imported
import json
import os
from pathlib import Path

from asd.errors import DataError
from asd.intake import frames, sandbox
from asd.intake.readers.entry import Entry, Limits
from asd.intake.readers.form import NeedsTablesError, open_drop, read_drop

MEMORY = 160 * 2**20
"""Bytes that a reader may take: row groups of Parquet and windows of decompression."""
ENTRY, OPENED, BUSY, TABLES, END, FATAL = b"e", b"o", b"b", b"t", b"z", b"f"
_FLUSH = 2**16


class Sender:
    """Sends frames to the gate, several at a time."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._waiting: list[bytes] = []
        self._size = 0

    def send(self, *fields: bytes) -> None:
        """Put a frame into line."""
        frame = frames.pack(fields)
        self._waiting.append(frame)
        self._size += len(frame)
        if self._size >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Send what is in line."""
        frames.write_all(self._handle, b"".join(self._waiting))
        self._waiting, self._size = [], 0

    def entry(self, entry: Entry) -> None:
        """Send a file."""
        self.send(
            ENTRY,
            text(entry.path),
            b"" if entry.label is None else text(entry.label),
            str(entry.size).encode(),
            entry.data or b"",
            entry.code.encode(),
            text(entry.message),
            b"1" if entry.named else b"",
        )

    def opened(self, number: int, name: str) -> None:
        """Say that an archive or table is begun: if the reader dies, it is this one's fault."""
        self.send(OPENED, str(number).encode(), text(name))
        self.flush()

    def busy(self) -> None:
        """Say that it is still at work."""
        self.send(BUSY)
        self.flush()


def text(words: str) -> bytes:
    """A name with bytes that are no UTF-8 kept as they are; half a letter of JSON stays no UTF-8."""
    try:
        return words.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return words.encode("utf-8", "surrogatepass")


def main(config: str) -> None:
    """Read the drop that the configuration names, from its archive or table number `start` on."""
    given = json.loads(config)
    names = given["class_names"]
    limits = Limits(given["most_file_bytes"], given["most_bytes"], None if names is None else tuple(names))
    sender, spool = Sender(1), os.fdopen(given["spool"], "r+b", buffering=0)
    try:
        with open_drop(Path(given["path"])) as drop:
            if drop.has_tables or given["tables"]:
                import asd.intake.readers.parquet  # noqa: F401
            sandbox.enter(MEMORY, most_written=given["most_bytes"], reading_files=drop.stream is None)
            for entry in read_drop(drop, limits, given["start"], sender, spool):
                sender.entry(entry)
        sender.send(END)
    except NeedsTablesError:
        sender.send(TABLES)
    except DataError as error:
        sender.send(FATAL, text(str(error)))
    except MemoryError:
        sender.send(FATAL, b"reading it takes too much memory")
    sender.flush()
