"""Write the evidence of a cell, and sign what it will hold."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from asd import store
from asd.audit.evidence import packing
from asd.audit.evidence.contents import STATEMENT, Contents, collect, relative
from asd.audit.evidence.decisions import Decision, Verdict, made_by, of_cell, sign
from asd.audit.evidence.statement import Statement, build, made_here
from asd.audit.evidence.verify import check_own
from asd.errors import DataError, ParamsError
from asd.layout import Cell
from asd.params import Workspace


@dataclass(frozen=True)
class Written:
    """A zip that was written.

    Attributes:
        statement: what it states.
        members: files in it.
        decisions: all that are on record for the cell, current or not.
        sha256: of the zip (hex).
    """

    file: Path
    statement: Statement
    members: int
    decisions: list[Decision]
    sha256: str


def state(workspace: Workspace, cell: Cell) -> tuple[Contents, Statement]:
    """What a decision on the cell signs now, and the files behind it.

    Raises:
        ParamsError: the cell was not run to its end.
        DataError: a file is missing or damaged.
    """
    contents = collect(workspace, cell)
    return contents, build(workspace.layout, contents)


def write_evidence(workspace: Workspace, cell: Cell, file: Path) -> Written:
    """Write the zip; the same state gives the same bytes. It appears whole and checked, or not at all.

    Raises:
        ParamsError: the cell was not run to its end, or `file` is something else already.
        DataError: a file is missing, damaged, or does not agree with the others.
    """
    _refuse_other_file(file)
    contents, statement = state(workspace, cell)
    content, decisions = of_cell(workspace.layout, cell)
    statement = statement.with_made(made_by(decisions, statement))
    made = {STATEMENT: statement.to_bytes()}
    if content:
        made[relative(workspace.layout, workspace.layout.decisions(cell))] = content
    digests = {name: statement.subjects[name] for name in contents.members}
    digests |= {name: hashlib.sha256(value).hexdigest() for name, value in made.items()}
    with store.atomic_file(file) as temporary:
        packing.write_zip(temporary, {**contents.members, **made}, digests)
        check_own(temporary)
        sha256 = store.file_sha256(temporary)
    return Written(file, statement, len(digests), decisions, sha256)


def sign_evidence(
    workspace: Workspace, cell: Cell, *, by: str, decision: Verdict, note: str, key: Path | None
) -> tuple[Statement, Decision]:
    """Record a decision on what `write_evidence` writes now; it is written once to be checked.

    Raises:
        ParamsError: the cell was not run to its end, or the name, note or key cannot be used.
        DataError: a file is missing or damaged.
    """
    with tempfile.TemporaryDirectory(prefix="asd-evidence-") as folder:
        statement = write_evidence(workspace, cell, Path(folder) / "evidence.zip").statement
    statement = statement.with_made(made_here(workspace.layout))
    signed = sign(workspace.layout, statement, by=by, decision=decision, note=note, key=key)
    return statement, signed


def _refuse_other_file(file: Path) -> None:
    if not file.exists():
        return
    try:
        names = {member.name for member in packing.scan(file)}
    except DataError:
        names = set()
    if STATEMENT not in names:
        raise ParamsError(f"{file} exists and is no evidence of asd; choose another name")
