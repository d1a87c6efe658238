"""Running asd's own commands as children: their lines to the log, their facts back."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import AsdError, DataError
from flows import _dvc, _process
from flows._lines import Line, parse

_TAIL = 30  # last lines, shown when a command failed without a word of its own


@dataclass(frozen=True)
class Said:
    """How a command ended: exit code, its output without events, its errors."""

    code: int
    text: str
    error: str

    def facts(self) -> Any:
        """The JSON that it printed.

        Raises:
            DataError: it printed none.
        """
        begin = min((at for at in map(self.text.find, "{[") if at >= 0), default=-1)
        try:
            return json.JSONDecoder().raw_decode(self.text[begin:])[0]
        except ValueError as error:
            raise DataError(f"wanted JSON, got {self.text[:200]!r}") from error


class CommandError(AsdError):
    """A command of asd failed; with its own words and its exit code."""

    def __init__(self, words: str, said: Said) -> None:
        super().__init__(f"{words}: {said.error or f'exit code {said.code}'}")
        self.exit_code = said.code


def asd(root: Path, words: Sequence[str], on_line: Callable[[Line], None] = lambda line: None) -> Said:
    """Run `asd WORDS --workspace ROOT`; it dies with this process."""
    return run(root, ["-m", "asd", *words, "--workspace", str(root)], on_line)


def run(root: Path, words: Sequence[str], on_line: Callable[[Line], None] = lambda line: None) -> Said:
    """Run our Python with `words` in the workspace."""
    errors, text = [], []
    tail: deque[str] = deque(maxlen=_TAIL)
    environment = {**_dvc.child_environment(), "COLUMNS": "200"}
    with _process.child([sys.executable, *words], cwd=root, environment=environment) as process:
        for raw in process.stdout or ():
            line = parse(raw)
            if line.kind == "error":
                errors.append(line.text)
            elif line.kind not in ("progress", "say", "warning"):
                text.append(raw)
                tail.append(raw)
            on_line(line)
    code = process.returncode
    error = "\n".join(errors)
    if code and not error:
        number = _dvc.signal_of(code)
        error = f"killed by signal {number}" if number else "".join(tail).strip()
    return Said(code, "".join(text), error)


def checked(root: Path, words: Sequence[str], on_line: Callable[[Line], None] = lambda line: None) -> Said:
    """Like `asd`, for a command that must end well.

    Raises:
        CommandError: it did not.
    """
    said = asd(root, words, on_line)
    if said.code:
        raise CommandError(f"asd {' '.join(words[:2])}", said)
    return said
