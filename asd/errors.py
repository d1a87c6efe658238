"""Every error that asd raises on purpose, and the exit code each one ends a command with.

AsdError              a user can act on it; printed as one or two lines, never as a traceback
├── ParamsError  2    wrong arguments or params
│   └── BusyError     another run holds what this one needs
├── DataError    3    the data is not what its manifest or its format says
│   └── DiskError     the disk is full or may not be written to
└── GateError    4    a number that must hold does not, or was not measured
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AsdError(Exception):
    """Base of all errors that a user can act on."""

    exit_code = 1


class ParamsError(AsdError):
    """Wrong arguments or params."""

    exit_code = 2


class BusyError(ParamsError):
    """Another process holds the workspace or the stage."""


class DataError(AsdError):
    """Bad data: unreadable, incomplete, or not what its manifest says."""

    exit_code = 3


class DiskError(DataError):
    """The disk is full, or a place may not be written to."""


class GateError(AsdError):
    """A gate failed or was not measured."""

    exit_code = 4


def nearest(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the known word closest to `word`, else an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
