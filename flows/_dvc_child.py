"""`python -m flows._dvc_child ARGS`: dvc's own command line, in a process that dies with its parent."""

from __future__ import annotations

import os
import sys

from asd.lifeline import PARENT, die_with_parent


def main() -> int:
    """Run dvc with the arguments of this process."""
    die_with_parent()
    os.environ[PARENT] = str(os.getpid())  # for the step that dvc starts
    from dvc.cli import main as dvc_main

    return int(dvc_main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
