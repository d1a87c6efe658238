"""`python -m flows._fetch`: what `asd seeds sheet` starts to bring one data set here."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from asd.cli.failure import exit_code_for
from asd.errors import AsdError
from asd.lifeline import die_with_parent
from flows import _dvc, _process
from flows._locks import clear_dead_rwlock
from flows._screen import Screen

_TERMINATED = 143


class FetchError(AsdError):
    """The step failed; with its exit code."""

    def __init__(self, outcome: _dvc.Outcome) -> None:
        super().__init__(outcome.message)
        self.exit_code = outcome.code


def main(arguments: list[str]) -> int:
    """Bring the stage `fetch` of a workspace and a data set up to date; returns the exit code."""
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    root, dataset = Path(arguments[0]), arguments[1]
    try:
        clear_dead_rwlock(root)
        _fetch(root, f"fetch@{dataset}")
    except BaseException as error:
        _process.kill_all()
        return exit_code_for(error)
    return 0


def _fetch(root: Path, stage: str) -> None:
    begin = time.monotonic()
    with Screen() as screen:
        outcome = _dvc.repro(root, stage, lambda line: screen.line(line, stage))
        if outcome.code:
            raise FetchError(outcome)
        screen.finished(stage, "taken from the cache" if outcome.cached else "done", time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
