"""`python -m flows`: what `asd run` starts. Plans first; Prefect is imported only if something is stale."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from asd.cli.failure import exit_code_for
from asd.errors import AsdError
from asd.layout import Cell, Layout
from asd.lifeline import die_with_parent
from flows import _dvc, _process, _report
from flows._cells import parse_cell
from flows._dvc import Outcome, PlannedStage
from flows._locks import clear_dead_rwlock
from flows._screen import Screen, title

_TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring cells up to date with one of the engines; returns the exit code of the command."""
    die_with_parent()
    signal.signal(signal.SIGTERM, _terminate)
    options = _options(arguments)
    cells = [parse_cell(text) for text in options.cells]
    root: Path = options.workspace
    try:
        cleared = clear_dead_rwlock(root)
        if cleared:
            print(cleared)
        if options.engine == "dvc" and not options.dry_run:
            _plain(root, cells, verbose=options.verbose)
        else:
            _planned(root, cells, options)
    except BaseException as error:
        _process.kill_all()
        return exit_code_for(error)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--engine", choices=("prefect", "dvc"), default="prefect")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("cells", nargs="+", metavar="DATASET/ATTACK/DEFENSE/TRIAL")
    return parser.parse_args(arguments)


def _planned(root: Path, cells: Sequence[Cell], options: argparse.Namespace) -> None:
    plan = _dvc.stale_stages(root, cells)
    stale = [stage for stage in plan if stage.stale]
    if not stale:
        print(f"nothing to do: all {len(plan)} stages are up to date")
    if options.dry_run:
        for stage in stale:
            print(f"{title(stage.name)}: {stage.reason}")
        return
    try:
        if stale:
            print(f"{len(stale)} of {len(plan)} stages are stale")
            _flow(root, cells, plan, options)
    finally:
        if not _process.stopping():
            _report.show(root, cells)


def _flow(
    root: Path, cells: Sequence[Cell], plan: Sequence[PlannedStage], options: argparse.Namespace
) -> None:
    from flows._server import server

    with server(Layout(root), verbose=options.verbose) as ours:
        from flows import defend  # imports prefect while the server starts

        if ours is not None:
            ours.wait()
        defend.run(root, cells, options.jobs, plan, verbose=options.verbose)


def _plain(root: Path, cells: Sequence[Cell], *, verbose: bool) -> None:
    with Screen(verbose=verbose) as screen:
        outcome = _dvc.repro_all(root, cells, screen.line)
    _report.show(root, cells)
    if outcome.code:
        raise PlainRunError(outcome)


class PlainRunError(AsdError):
    """`dvc repro` failed; with the exit code of the step."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.exit_code = outcome.code


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
