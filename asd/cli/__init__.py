"""The command `asd`: one file per command group; imports neither torch, prefect, dvc nor pandas."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from asd.cli import (
    attack,
    audit,
    bench,
    clean,
    doctor,
    drop,
    export,
    init,
    listing,
    lock,
    model,
    plugin,
    predict,
    rehearse,
    reproduce,
    run,
    seeds,
    serve,
    source,
    status,
    step,
    table,
    verify,
)
from asd.cli.failure import DEBUG, exit_code_for
from asd.cli.output import new_app

_HELP = "Train a clean image classifier on data from strangers, and see which samples were trusted."

app = new_app(_HELP, epilog="Example: asd init ~/trial --preset digits && cd ~/trial && asd run")
_GROUPS = (
    *(init, run, serve, status, table, model, predict, export, listing, source, drop, seeds),
    *(rehearse, reproduce, attack, audit),
    *(plugin, step, lock, verify, doctor, clean, bench),
)
for _group in _GROUPS:
    _group.register(app)


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the traceback of a failure.")] = False,
) -> None:
    """Options that stand before the command."""
    if verbose:
        os.environ[DEBUG] = "1"  # by environment, so that the processes we start know it too


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (our bug), 2, 3, 4 or 130."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=words, prog_name="asd", standalone_mode=False)
    except BaseException as error:
        return exit_code_for(error)
    return code if isinstance(code, int) else 0
