"""Starting the flow: `python -m flows` as a child that does not outlive us."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from asd.lifeline import run_and_forward

STOPPED = (129, 130, 143)
"""Exit codes of a run that SIGHUP, SIGINT or SIGTERM ended."""


def run_flows(
    root: Path, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, quiet: bool = False
) -> int:
    """Run the flow in the workspace at `root`; with `quiet` it says all on standard error.

    Returns:
        Its exit code.
    """
    sys.stdout.flush()
    command = [sys.executable, "-m", "flows", f"--workspace={root}", *arguments]
    return run_and_forward(command, cwd=root, env=os.environ if env is None else env, quiet=quiet)
