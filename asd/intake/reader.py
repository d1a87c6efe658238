"""The gate's side of the reading process: what it says is checked, and its death survived."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from asd.errors import DataError
from asd.intake import reading
from asd.intake.processes import Child, Watch
from asd.intake.readers.entry import Entry
from asd.intake_params import IntakeParams
from asd.safe_text import safe_text

_SECONDS = 120.0  # without a word
_MOST_RESTARTS = 100
_LONGEST_MESSAGE = 300


class Reader:
    """The reading process; started again behind the archive or table that it died of.

    Args:
        source: the drop.
        intake: caps.
        class_names: the classes, or None.
    """

    def __init__(self, source: Path, intake: IntakeParams, class_names: tuple[str, ...] | None) -> None:
        self._config: dict[str, object] = {
            "path": str(source.absolute()),
            "class_names": class_names,
            "tables": False,
            "most_file_bytes": intake.most_file_bytes,
            "most_bytes": intake.most_bytes,
        }
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115
        self._largest = intake.most_file_bytes + 2**20
        self._restarts = 0
        self._opened: tuple[int, str] | None = None
        self._watch = Watch(_SECONDS)
        self.is_done = False
        self.child = self._start(0)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.close()
        self._spool.close()

    def _start(self, first: int) -> Child:
        self._watch.restart()
        spool = self._spool.fileno()
        config = json.dumps({**self._config, "start": first, "spool": spool})
        return Child("reading", config, self._largest, [spool])

    def receive(self) -> Iterator[Entry]:
        """The files that it has sent.

        Raises:
            DataError: it says that this is no drop, or it died of something that is no archive or table.
        """
        self._watch.restart()
        for fields in self.child.receive():
            if fields == [reading.TABLES] and not self._config["tables"]:
                # nothing can be imported in the sandbox, and most archives need no pyarrow
                self._config["tables"] = True
                self.child.close()
                self.child = self._start(0)
                return
            try:
                entry = self._understand(fields)
            except (ValueError, IndexError):
                self.child.alive = False
                break
            if entry is not None:
                yield entry
        if not self.child.alive and not self.is_done:
            yield self._died()

    def rest(self) -> None:
        """Begin to count its silence anew."""
        self._watch.restart()

    def look(self) -> Iterator[Entry]:
        """Kill it when it has said nothing for too long.

        Raises:
            DataError: as `receive`.
        """
        if self._watch.is_over:
            yield self._died()

    def _understand(self, fields: list[bytes]) -> Entry | None:
        kind, *rest = fields
        if kind == reading.FATAL:
            raise DataError(safe_text(rest[0].decode(errors="replace"), _LONGEST_MESSAGE))
        if kind == reading.END:
            self.is_done = True
        elif kind == reading.OPENED:
            self._opened = int(rest[0]), _text(rest[1])
        elif kind == reading.ENTRY:
            path, label, size, data, code, message, named = rest
            if not 0 <= int(size) < 2**63:
                raise ValueError(size)
            whole = None if not data and code and int(size) else data
            words = message.decode(errors="replace")
            return Entry(
                _text(path), _text(label) or None, whole, int(size), code.decode("ascii"), words, bool(named)
            )
        elif kind != reading.BUSY:
            raise ValueError(kind)
        return None

    def _died(self) -> Entry:
        """What to say of the archive or table at hand; reading goes on behind it."""
        self.child.close()
        if self._opened is None or self._restarts >= _MOST_RESTARTS:
            raise DataError("the drop killed the process that read it: it is damaged, or made to do so")
        number, name = self._opened
        self._opened = None
        self._restarts += 1
        self.child = self._start(number + 1)
        return Entry(name, code="reader-died", message="the process that read it died, or took too long")


def _text(words: bytes) -> str:
    return words.decode("utf-8", "surrogateescape")
