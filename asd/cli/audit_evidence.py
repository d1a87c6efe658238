"""`asd audit evidence`, `sign` and `verify`: what leaves the house, who stands for it, is it whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json
from asd.errors import AsdError, DataError, GateError, ParamsError

if TYPE_CHECKING:
    from asd.audit.evidence.decisions import Decision
    from asd.audit.evidence.statement import Statement
    from asd.audit.evidence.verify import Verified
    from asd.layout import Cell
    from asd.params import Workspace

CellArgument = Annotated[str, typer.Argument(metavar="CELL", help="dataset/attack/defense/trial; one cell.")]
NO_PROOF = "a verdict is evidence, not proof"


class Decisions(StrEnum):
    """What somebody can decide."""

    approve = "approve"
    reject = "reject"


def register(group: typer.Typer) -> None:
    """Add the commands to the group `audit`."""
    group.command("evidence", epilog="Example: asd audit evidence drops/none/asd/0 evidence.zip")(evidence)
    example = "Example: asd audit sign drops/none/asd/0 --by Ada --decision approve "
    group.command("sign", epilog=example + "--note 'looked at all 41 suspects' --key ~/.ssh/id_ed25519")(sign)
    group.command("verify", epilog="Example: asd audit verify evidence.zip --signers ada.pub")(verify)


def evidence(
    cell: CellArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="An older evidence is replaced.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the evidence of a cell to one zip, with the decisions that are on record.

    Params, locks, manifests, seeds, reviews, verdicts, gates and the page, and an in-toto
    statement over the SHA-256 of every file, of the model and of each shard. Pictures and
    weights stay here. The same state gives the same bytes.
    """
    from asd.audit.evidence.make import write_evidence

    with _current_cell(workspace, cell) as (opened, chosen):
        done = write_evidence(opened, chosen, file)
    if as_json:
        print_json(
            {
                "file": str(file),
                "sha256": done.sha256,
                "members": done.members,
                **_facts(done.statement),
                "decisions": [_decision(one, done.statement) for one in done.decisions],
            }
        )
        return
    typer.echo(f"{file}: {done.members} files, SHA-256 {done.sha256}")
    _say_state(done.statement)
    current = [one for one in done.decisions if one.covers(done.statement)]
    for one in done.decisions:
        stale = "" if one in current else "  STALE: made on other evidence"
        typer.echo(f"{one}{'' if one.signature else '  UNSIGNED'}{stale}")
    if not any(one.signature for one in current):
        typer.echo("UNSIGNED: nobody has signed this state")
        typer.echo(f"next: asd audit sign {chosen} --by NAME --decision approve --note TEXT --key SSHKEY")
    else:
        typer.echo(f"next: asd audit verify {file} --signers PUBLIC_KEY")


def sign(
    cell: CellArgument,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.")],
    decision: Annotated[Decisions, typer.Option("--decision", help="On the cell as it is now.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; one line.")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="SSHKEY",
            help="Private SSH key, or its public half if an agent holds it. Without: UNSIGNED.",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a decision on what `asd audit evidence` writes now, signed with an SSH key.

    It goes to reviews/decisions/ for git. It holds for these files alone: after another run,
    review or seed it counts as stale. Look at the evidence first.
    """
    from asd.audit.evidence.make import sign_evidence
    from asd.audit.evidence.ssh import signed_by

    with _current_cell(workspace, cell) as (opened, chosen):
        statement, done = sign_evidence(opened, chosen, by=by, decision=decision.value, note=note, key=key)
    fingerprint = signed_by(done.payload, done.signature) if done.signature else None
    if as_json:
        facts = {**_facts(statement), **_decision(done, statement)}
        print_json({**facts, "key": fingerprint, "file": str(opened.layout.decisions(chosen))})
        return
    _say_state(statement)
    typer.echo(f"{done}: {done.note}")
    if fingerprint is None:
        typer.echo(
            "UNSIGNED: no --key was given, so nothing proves who decided; anybody can write such a line"
        )
    else:
        typer.echo(f"signed with key {fingerprint}")
    typer.echo(f"line {done.sha256} of {opened.layout.decisions(chosen)}; commit it to git")
    typer.echo(f"next: asd audit evidence {chosen} evidence.zip")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip")],
    signers: Annotated[
        list[Path] | None,
        typer.Option(
            "--signers",
            metavar="FILE",
            help="Public key of a signer, or an allowed_signers file; may be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Let unsigned decisions count for what they say.")
    ] = False,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            metavar="DIR",
            help="Also compare with the model, the shards and all files of this workspace.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check an evidence, offline: is it whole, who signed it, what did they decide.

    Exit 0: whole, and approved by a key that you gave. Exit 3: something was changed. Exit 4:
    whole, but unsigned, rejected, or signed by nobody you named.
    """
    from asd.audit.evidence.ssh import read_signers
    from asd.audit.evidence.verify import verify_evidence

    trusted = read_signers(signers) if signers else None
    if not file.is_file():
        raise ParamsError(f"no file {file}")
    found = verify_evidence(file, trusted, allow_unsigned=allow_unsigned)
    if workspace is not None:
        found.problems += _against(workspace, found)
    named = bool(trusted and trusted.named)
    if as_json:
        print_json(_verified(found))
    else:
        _say_verified(found, compared=workspace is not None, named=named)
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        raise DataError(f"{file} is NOT what it says: {_plain(found.problems[0])}{more}")
    if found.open:
        raise GateError(_plain(found.open[0]))


@contextlib.contextmanager
def _current_cell(folder: Path | None, pattern: str) -> Iterator[tuple[Workspace, Cell]]:
    """Hold the workspace and give the one cell that is meant, if nothing about it is stale."""
    from asd.audit.evidence.contents import refuse_unfinished
    from asd.cells import one_cell
    from asd.operations.plan import ask_plan
    from asd.run_lock import hold_workspace

    opened = open_workspace(folder)
    cell = one_cell(opened.cells(), pattern)
    with hold_workspace(opened.layout):
        refuse_unfinished(opened.layout, cell)
        stale = ask_plan(opened.layout.root, [cell], look=True).stale
        if stale:
            more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
            why = f"{stale[0].step}: {stale[0].reason}{more}"
            raise ParamsError(f"{cell} is stale: {why}; `asd run '{cell}'`")
        yield opened, cell


def _against(folder: Path, found: Verified) -> list[str]:
    from asd.audit.evidence.decisions import of_cell
    from asd.audit.evidence.make import state
    from asd.audit.evidence.verify import workspace_differences

    if found.statement is None:
        return []
    opened, cell = open_workspace(folder), found.statement.cell
    try:
        now = state(opened, cell)[1]
        recorded = of_cell(opened.layout, cell)[1]
    except AsdError as error:
        return [f"the workspace: {error}"]
    decisions = [one.decision for one in found.decisions]
    return list(workspace_differences(found.statement, decisions, now, recorded))


# -- what is said ------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Without characters that hide or move text: the zip is a stranger's."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _facts(statement: Statement) -> dict[str, Any]:
    predicate = statement.predicate
    names = ("samples", "verdicts", "seeds", "review_log", "environment", "gates", "model", "made")
    return {
        "cell": str(statement.cell),
        "evidence_sha256": statement.digest,
        "files": len(statement.subjects),
        **{name: predicate.get(name) for name in names},
    }


def _decision(one: Decision, statement: Statement) -> dict[str, Any]:
    names = ("number", "decision", "by", "note", "at", "sha256", "made")
    facts = {name: getattr(one, name) for name in names}
    return {**facts, "signed": one.signature is not None, "current": one.covers(statement)}


def _verified(found: Verified) -> dict[str, Any]:
    judged = [
        {**_decision(one.decision, found.statement), "standing": one.standing, "key": one.key}
        for one in found.decisions
        if found.statement is not None
    ]
    return {
        "whole": not found.problems,
        "approved": not found.problems and not found.open,
        "problems": found.problems,
        "open": found.open,
        "evidence": _facts(found.statement) if found.statement is not None else None,
        "decisions": judged,
    }


def _say_state(statement: Statement) -> None:
    predicate = statement.predicate
    verdicts = predicate.get("verdicts")
    counts = (
        ", ".join(f"{name} {n}" for name, n in verdicts.items()) if isinstance(verdicts, dict) else "none"
    )
    typer.echo(_plain(f"{statement.cell}: {predicate.get('samples')} samples; verdicts: {counts}"))
    for text in predicate.get("gates") or ["no gate is set"]:
        typer.echo(_plain(str(text)))
    typer.echo(f"evidence {statement.digest} over {len(statement.subjects)} files; {NO_PROOF}")


def _say_verified(found: Verified, *, compared: bool, named: bool) -> None:
    for text in found.problems:
        typer.echo(f"CHANGED {_plain(text)}")
    if found.statement is None:
        return
    if not found.problems:
        _say_state(found.statement)
    for one in found.decisions:
        words = {
            "good": f"signed with key {one.key}" + ("" if named else "; the name is what its owner gave"),
            "unknown": f"signed with key {one.key}, which nobody named",
            "unsigned": "UNSIGNED",
            "stale": f"STALE, made on other evidence{'' if one.key else ', UNSIGNED'}: "
            + "; ".join(one.differences[:3]),
        }[one.standing]
        typer.echo(_plain(f"{one.decision}: {one.decision.note}: {words}"))
    for text in found.open:
        typer.echo(f"OPEN {_plain(text)}")
    if not found.problems and not found.open:
        with_workspace = ", and the workspace holds the same" if compared else ""
        typer.echo(f"whole and approved: every byte is what was signed{with_workspace}")
        if found.decisions:
            typer.echo(
                f"last decision: line {found.decisions[-1].decision.sha256}; a later one may be missing here"
            )
