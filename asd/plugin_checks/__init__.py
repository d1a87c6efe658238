"""What every plug-in of a kind promises, as functions: for `asd check` and for tests, here and elsewhere.

Each module here has a `Case` (one plug-in with its params) and `CHECKS`, functions of a case whose
docstrings say what is promised. A check returns nothing or raises `BrokenPromiseError`.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import AsdError, GateError


class BrokenPromiseError(GateError):
    """A plug-in does not do what its kind promises; says what was got and what was wanted."""


@dataclass(frozen=True)
class Outcome:
    """How one check went.

    Attributes:
        name: of the check.
        promise: what is promised, in words.
        problem: what is wrong; "" where the promise holds.
    """

    name: str
    promise: str
    problem: str


def require(holds: object, problem: str) -> None:
    """Raise if something promised does not hold.

    Raises:
        BrokenPromiseError: `holds` is false.
    """
    if not holds:
        raise BrokenPromiseError(problem)


def run_checks(checks: Iterable[Callable[[Any], None]], case: Any) -> list[Outcome]:
    """Run every check on one plug-in; what it raises is a problem too, never an error here."""
    return [run_one(check.__name__, promise_of(check), functools.partial(check, case)) for check in checks]


def run_one(name: str, promise: str, call: Callable[[], object]) -> Outcome:
    """Run one check."""
    problem = ""
    try:
        call()
    except AsdError as error:
        problem = str(error)
    except (Exception, SystemExit) as error:  # sys.exit(0) in a plug-in would end the check as if all held
        problem = f"{type(error).__name__}: {error}{_where(error)}"
    return Outcome(name, promise, problem)


def promise_of(check: Callable[..., None]) -> str:
    """First line of a check's docstring, without the full stop."""
    return (check.__doc__ or check.__name__).partition("\n")[0].removesuffix(".")


def _where(error: BaseException) -> str:
    """File and line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
