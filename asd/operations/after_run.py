"""`python -m asd.operations.after_run ROOT CELL...`: what `asd run` does at its end, for the flows.

Notes the new results in the audit's journal, holds the gates, promotes. Prints one line of JSON;
exit code 4 where a gate does not hold.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from asd.audit.journal import note_states
from asd.cells import select_cells
from asd.errors import AsdError, GateError
from asd.lifeline import die_with_parent
from asd.params import Workspace, load_workspace
from asd.run_lock import hold_workspace
from asd.ship.causes import likely_cause
from asd.ship.promotion import after_run


def judge(workspace: Workspace, names: Sequence[str]) -> dict[str, object]:
    """The lines of the gates and of the promotion; `failed`: of gates that do not hold, and why perhaps."""
    cells = select_cells(workspace.cells(), list(names))
    with hold_workspace(workspace.layout):
        note_states(workspace.layout)
        try:
            return {"lines": after_run(workspace, cells), "failed": [], "cause": ""}
        except GateError as error:
            lines = str(error).replace("\nasd: ", "\n").splitlines()
            return {"lines": [], "failed": lines, "cause": likely_cause(workspace.layout, cells)}


def main(arguments: Sequence[str]) -> int:
    """Judge and say; the exit code."""
    die_with_parent()
    try:
        found = judge(load_workspace(Path(arguments[0])), arguments[1:])
    except AsdError as error:
        sys.stderr.write(f"asd: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(found, sort_keys=True) + "\n")
    return GateError.exit_code if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
