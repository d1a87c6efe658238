"""Typing commands as a user does, and keeping what was typed, what was said and how long it took."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SHOWN = 24  # lines of one command; of more, the first and last twelve
_OURS = ("ASD_", "VIRTUAL_ENV", "PREFECT_", "DVC_", "PYTHONPATH")


@dataclass
class Shell:
    """A user's shell: an empty home, and the commands of one environment.

    Attributes:
        home: an empty folder; `~` in what is recorded.
        commands: the folder of `asd` and `python`.
        clone: the clone of this repository; `CLONE` in what is recorded.
    """

    home: Path
    commands: Path
    clone: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    record: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """A paragraph of the record, or what has line breaks of its own."""
        text = text.strip()
        self.record.append(text if "\n" in text else textwrap.fill(text, 110, break_on_hyphens=False))

    def run(self, command: str, *, inside: str = "", shown: str | None = None) -> str:
        """Type one command; it must end well. Returns all it printed.

        Args:
            command: for bash.
            inside: folder below the home.
            shown: what the record shows in its place.
        """
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home / inside,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        took = time.monotonic() - started
        said = self._plain(done.stdout)
        assert done.returncode == 0, f"`{command}` ended with {done.returncode}:\n{said}"
        name = shown or self._plain(command)
        self.seconds[name] = took
        place = f"~/{inside}" if inside else "~"
        lines = [f"{place}$ {name}", *_cut(said.splitlines())]
        self.record.append("```text\n" + "\n".join(lines) + "\n```\n" + f"<sub>{took:.0f} s</sub>")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Of the user: no variable of this project or of the tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = f"{self.commands}{os.pathsep}{kept.get('PATH', '')}"
        return {**kept, "HOME": str(self.home), "PATH": path, "COLUMNS": "110", **self.settings}

    def markdown(self) -> str:
        """All that was recorded."""
        return "\n\n".join(self.record) + "\n"

    def _plain(self, text: str) -> str:
        without_colour = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        for place, name in ((self.home, "~"), (self.clone, "CLONE")):
            without_colour = without_colour.replace(str(place), name)
        return without_colour.rstrip()


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= _SHOWN:
        return lines
    half = _SHOWN // 2
    return [*lines[:half], f"... {len(lines) - _SHOWN} lines ...", *lines[-half:]]
