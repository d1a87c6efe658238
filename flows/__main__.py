"""`python -m flows`: what `asd run` starts. Plans first; Prefect is imported only if something is stale."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from asd.cli.failure import exit_code_for
from asd.errors import AsdError, ParamsError
from asd.layout import Cell, Layout
from asd.lifeline import die_with_parent
from asd.operations.foreign_errors import explain_prefect
from asd.operations.run_record import RunRecord
from flows import _dvc, _process, _report
from flows._cells import parse_cell
from flows._dvc import Outcome, PlannedStage
from flows._lines import Line
from flows._locks import clear_dead_rwlock
from flows._plain import PlainRun
from flows._screen import Screen, title

_TERMINATED = 143
_SIGNALS = 128  # exit codes above it: ended by a signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring cells up to date with one of the engines; returns the exit code of the command."""
    die_with_parent()
    signal.signal(signal.SIGTERM, _terminate)
    options = _options(arguments)
    cells = [parse_cell(text) for text in options.cells]
    root: Path = options.workspace
    try:
        cleared = None if options.look else clear_dead_rwlock(root)
        if cleared:
            print(cleared, file=sys.stderr if options.json else sys.stdout)
        if options.engine == "dvc" and not options.dry_run:
            _plain(root, cells, verbose=options.verbose)
        else:
            _planned(root, cells, options)
    except BaseException as error:
        _process.kill_all()
        return exit_code_for(_in_our_words(error))
    return 0


def _in_our_words(error: BaseException) -> BaseException:
    """What Prefect raised, where we know what it means."""
    if isinstance(error, (AsdError, OSError)) or not isinstance(error, Exception):
        return error
    explained = explain_prefect(f"{type(error).__name__}: {error}")
    return ParamsError(f"Prefect: {explained}") if explained else error


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--engine", choices=("prefect", "dvc"), default="prefect")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true", help="of a dry run")
    parser.add_argument("--look", action="store_true", help="of a dry run: leave no trace")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("cells", nargs="+", metavar="DATASET/ATTACK/DEFENSE/TRIAL")
    return parser.parse_args(arguments)


def _plan(root: Path, cells: Sequence[Cell], record: RunRecord, *, verbose: bool) -> list[PlannedStage]:
    """What is stale; noted, so that the table can mark old figures without asking dvc."""
    plan = _dvc.stale_stages(root, cells, verbose=verbose)
    record.plan((stage.name, stage.reason) for stage in plan)
    return plan


def _planned(root: Path, cells: Sequence[Cell], options: argparse.Namespace) -> None:
    if options.look:
        plan = _dvc.stale_stages(root, cells, verbose=options.verbose)
        print(json.dumps([asdict(stage) for stage in plan]))
        return
    record = RunRecord(Layout(root))
    plan = _plan(root, cells, record, verbose=options.verbose)
    stale = [stage for stage in plan if stage.stale]
    if options.json:
        print(json.dumps([asdict(stage) for stage in plan]))
        return
    if not stale:
        print(f"nothing to do: all {len(plan)} stages are up to date")
    if options.dry_run:
        for stage in stale:
            print(f"{title(stage.name)}: {stage.reason}")
        return
    try:
        if stale:
            print(f"{len(stale)} of {len(plan)} stages are stale")
            _flow(root, cells, plan, record, options)
    finally:
        record.end()
        if not _process.stopping():
            _report.show(root, cells)


def _flow(
    root: Path,
    cells: Sequence[Cell],
    plan: Sequence[PlannedStage],
    record: RunRecord,
    options: argparse.Namespace,
) -> None:
    from flows._server import server

    with server(Layout(root), verbose=options.verbose) as ours:
        from flows import defend  # imports prefect while the server starts

        if ours is not None:
            ours.wait()
        defend.run(root, cells, options.jobs, plan, record, verbose=options.verbose)


def _plain(root: Path, cells: Sequence[Cell], *, verbose: bool) -> None:
    record = RunRecord(Layout(root))
    _plan(root, cells, record, verbose=verbose)
    follow = PlainRun(record)
    try:
        with Screen(verbose=verbose) as screen:

            def on_line(line: Line) -> None:
                follow.line(line)
                screen.line(line)

            outcome = _dvc.repro_all(root, cells, on_line)
        follow.end(stopped=outcome.code > _SIGNALS)
    finally:
        record.end()
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
