"""Exceptions to exit codes: a user's mistake is one or two lines, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

import typer

from asd.cli.output import workspace_above
from asd.errors import AsdError, DiskError
from asd.safe_text import safe_text

DEBUG = "ASD_DEBUG"
"""Environment variable: `1` shows tracebacks."""

INTERRUPTED = 130
BUG = 1
USAGE = 2
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
_BASE_OF_USAGE_ERRORS: type[Exception] = typer.BadParameter.__mro__[2]  # Click's, wherever Typer keeps it


def exit_code_for(error: BaseException) -> int:
    """Say on standard error what went wrong and return the exit code."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else BUG
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        typer.echo("interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, AsdError):
        _debug(error)
        typer.echo(f"asd: {_shown(str(error))}", err=True)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader (`asd ... | head`) has gone; nobody is left to tell, and the interpreter
        # must not fail once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, _BASE_OF_USAGE_ERRORS):
        return _usage(error)
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        _debug(error)
        typer.echo(f"asd: {_shown(str(error.filename or 'disk'))}: {error.strerror}", err=True)
        return DiskError.exit_code
    return _bug(error)


def _shown(text: str) -> str:
    """Lines that may name files of strangers, without what would steer the terminal."""
    return "\n".join(safe_text(line, len(line)) for line in text.split("\n"))


def _usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(str(error.format_message()))  # type: ignore[attr-defined]
        return USAGE
    command = context.command_path if context is not None else "asd"
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    typer.echo(f"asd: {' '.join(text.split()) or 'no command'} (see `{command} --help`)", err=True)
    return USAGE


def _debug(error: BaseException) -> bool:
    if os.environ.get(DEBUG) != "1":
        return False
    traceback.print_exception(error)
    return True


def _bug(error: BaseException) -> int:
    name = f"{type(error).__name__}: {error}".splitlines()[0]
    typer.echo(f"asd: this is a bug of asd: {name}", err=True)
    if not _debug(error):
        typer.echo(_keep_traceback(error), err=True)
    return BUG


def _keep_traceback(error: BaseException) -> str:
    root = workspace_above(Path.cwd())
    if root is not None:
        file = root / ".asd" / "last-error.txt"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(traceback.format_exception(error)))
        except OSError:
            pass  # a second failure must not hide the first; the next line still helps
        else:
            return f"asd: the traceback is in {file}"
    return "asd: run `asd --verbose ...` for the traceback"
