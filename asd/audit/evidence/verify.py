"""Check an evidence without a workspace: nothing in the zip is believed before it was checked.

In order: the layout of the zip, the statement against every byte, the decisions and their
signatures, then whether the files agree with each other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from asd.audit.evidence import contents as names
from asd.audit.evidence import ssh
from asd.audit.evidence.agreement import disagreements
from asd.audit.evidence.decisions import Decision, made_by, read_decisions
from asd.audit.evidence.packing import check_name, unpack
from asd.audit.evidence.ssh import Signers
from asd.audit.evidence.statement import Statement, parse
from asd.errors import DataError
from asd.layout import Cell, Layout

_LONGEST = 800  # letters of one line that quotes what a stranger wrote
_MOST_DECISIONS = 1000
Standing = Literal["good", "unsigned", "unknown", "stale"]


@dataclass(frozen=True)
class Judged:
    """A decision and how far it holds.

    Attributes:
        standing: `good` (a key that is trusted signed this evidence), `unsigned`, `unknown`
            (signed, but no trusted keys were given), `stale` (made on other evidence).
        key: fingerprint of the key that signed; None if unsigned or the signature does not fit.
        differences: what was other when a stale one was made.
    """

    decision: Decision
    standing: Standing
    key: str | None
    differences: tuple[str, ...] = ()


@dataclass
class Verified:
    """What the check found.

    Attributes:
        problems: tampering, a line each; empty: the evidence is whole.
        open: why it does not count as approved, a line each.
    """

    statement: Statement | None = None
    decisions: list[Judged] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)


def verify_evidence(
    file: Path,
    signers: Signers | None = None,
    *,
    allow_unsigned: bool = False,
    folder: Path | None = None,
) -> Verified:
    """Check a zip.

    Args:
        signers: keys that may sign; without them nobody's decision counts.
        allow_unsigned: let unsigned decisions count for what they say.
        folder: an empty folder to unpack into; default: a temporary one.
    """
    found = Verified()
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="asd-evidence-") as temporary:
            return verify_evidence(file, signers, allow_unsigned=allow_unsigned, folder=Path(temporary))
    layout = Layout(folder)
    try:
        digests = unpack(file, folder)
        statement = found.statement = _statement(folder, digests)
        found.problems += _wrong_digests(layout, statement, digests)
        decisions = _decisions(layout, statement.cell)
    except DataError as error:
        found.problems.append(str(error).replace(f"{folder}/", "")[:_LONGEST])
        return found
    _judge(found, statement, decisions, signers)
    if not found.problems:
        found.problems += [text[:_LONGEST] for text in disagreements(layout, statement)]
    found.open += _still_open(found.decisions, allow_unsigned=allow_unsigned)
    return found


def check_own(file: Path) -> None:
    """Refuse a zip that we made and that the check would refuse.

    Raises:
        DataError: the first thing that is wrong with it, decisions left aside.
    """
    with tempfile.TemporaryDirectory(prefix="asd-evidence-") as temporary:
        layout = Layout(Path(temporary))
        digests = unpack(file, layout.root)
        statement = _statement(layout.root, digests)
        wrong = [*_wrong_digests(layout, statement, digests), *disagreements(layout, statement)]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise DataError(f"the files of {statement.cell} do not agree: {wrong[0]}{more}")


def _statement(folder: Path, digests: dict[str, str]) -> Statement:
    if names.STATEMENT not in digests:
        raise DataError(f"the zip has no {names.STATEMENT}; it is no evidence of asd")
    with (folder / names.STATEMENT).open("rb") as stream:
        statement = parse(stream.read(names.LARGEST_STATEMENT + 1))
    for name in statement.subjects:
        check_name(name)
    return statement


def _wrong_digests(layout: Layout, statement: Statement, digests: dict[str, str]) -> Iterator[str]:
    """Every member is a subject with this digest, and every subject is a member or outside."""
    cell = statement.cell
    free = {names.STATEMENT, names.relative(layout, layout.decisions(cell))}
    for name, digest in digests.items():
        wanted = statement.subjects.get(name)
        if name in free:
            continue
        if wanted is None:
            yield f"{name} is in the zip, but the statement does not name it"
        elif wanted != digest:
            yield f"{name} was changed: the statement says SHA-256 {wanted[:12]}, found {digest[:12]}"
    needed = {names.relative(layout, path) for path in names.needed_members(layout, cell)}
    needed |= {names.INDEX, names.LOCK, names.GATES}
    for name in sorted({*statement.subjects, *needed} - set(digests)):
        if name in needed or not _may_be_outside(layout, cell, name):
            yield f"{name} is missing in the zip"
    for name in sorted(
        {names.STATEMENT, names.relative(layout, layout.decisions(cell))} & set(statement.subjects)
    ):
        yield f"the statement names {name}, which cannot be a subject"


def _may_be_outside(layout: Layout, cell: Cell, name: str) -> bool:
    """Shards, weights, histories and truth are named by their digest alone."""
    folders = [
        *(folder for folder in names.shard_folders(layout, cell) if name.endswith(".tar")),
        *(layout.run(cell), layout.prepared(cell.dataset, cell.attack)),
        layout.seed_set(cell.dataset, cell.attack, cell.trial),
    ]
    files = [layout.truth(cell.dataset, cell.attack), layout.probe_truth(cell.dataset, cell.attack)]
    inside = any(name.startswith(f"{names.relative(layout, folder)}/") for folder in folders)
    return inside or name in {names.relative(layout, file) for file in files}


def _decisions(layout: Layout, cell: Cell) -> list[Decision]:
    log = layout.decisions(cell)
    name = names.relative(layout, log)
    if log.is_file() and log.stat().st_size > names.LARGEST_STATEMENT:
        raise DataError(
            f"{name} has {log.stat().st_size:,} bytes, at most {names.LARGEST_STATEMENT:,} are read"
        )
    found = read_decisions(log.read_bytes() if log.is_file() else b"", name)
    if len(found) > _MOST_DECISIONS:
        raise DataError(f"{name} holds {len(found)} decisions, at most {_MOST_DECISIONS} are checked")
    return found


# -- decisions ---------------------------------------------------------------------------------


def _judge(found: Verified, statement: Statement, decisions: list[Decision], signers: Signers | None) -> None:
    for one in decisions:
        if one.cell != str(statement.cell):
            found.problems.append(f"{one} is about {one.cell}, the evidence is of {statement.cell}")
            continue
        current = one.covers(statement)
        standing: Standing = "unsigned" if one.signature is None else "unknown"
        key = None
        if one.signature is not None:
            key = ssh.signed_by(one.payload, one.signature)
            if key is None:
                found.problems.append(
                    f"{one}: the signature does not fit; the line was changed after it was signed"
                )
            elif signers is not None:
                if signers.know(one.payload, one.signature, one.by, one.at):
                    standing = "good"
                else:
                    found.problems.append(
                        f"{one} is signed by key {key}, which --signers does not hold for {one.by!r}"
                    )
        differences = () if current else tuple(one.differences(statement))
        found.decisions.append(Judged(one, standing if current else "stale", key, differences))
    _signed_something_else(found)
    if made_by(decisions, statement) != statement.made:
        last = next(one for one in reversed(decisions) if one.covers(statement))
        found.problems.append(f"statement.json: `made` is not what {last} signed")


def _signed_something_else(found: Verified) -> None:
    """Signed evidence that was changed, its statement made anew, looks like evidence signed too early."""
    signed = [one for one in found.decisions if one.decision.signature is not None]
    if signed and all(one.standing == "stale" for one in signed):
        last = signed[-1]
        more = f" (and {len(last.differences) - 1} more)" if len(last.differences) > 1 else ""
        found.problems.append(f"other evidence than was signed: {last.decision}: {last.differences[0]}{more}")


def _still_open(decisions: Sequence[Judged], *, allow_unsigned: bool) -> Iterator[str]:
    last: dict[str, Judged] = {}
    trusted = {"good", "unsigned"} if allow_unsigned else {"good"}
    for one in decisions:
        if one.standing in trusted:
            last[one.key or one.decision.by] = one  # of a key: nobody speaks in another's name
    for one in decisions:
        if one.standing == "unknown":
            yield f"{one.decision} is signed by key {one.key}, nobody says whose it is: give --signers FILE"
    if not allow_unsigned:
        yield from _unsigned(decisions)
    for one in last.values():
        if one.decision.decision == "reject":
            yield f"REJECTED: {one.decision}: {one.decision.note}"
    if not decisions:
        yield "UNSIGNED: nobody has decided on this evidence"
    elif not last and all(one.standing == "stale" for one in decisions):
        yield "UNSIGNED: no decision is about this evidence"


def _unsigned(decisions: Sequence[Judged]) -> Iterator[str]:
    """Unsigned lines after the last signature, which anybody can have added; it covers those before it."""
    last = max((one.decision.number for one in decisions if one.key is not None), default=0)
    for one in decisions:
        if one.decision.signature is None and one.decision.number > last:
            yield f"UNSIGNED: {one.decision}: nobody's key vouches for it"


# -- against a workspace -----------------------------------------------------------------------


def workspace_differences(
    statement: Statement, decisions: list[Decision], now: Statement, recorded: list[Decision]
) -> Iterator[str]:
    """What the workspace holds that is not what the evidence says.

    Args:
        now: the statement of the workspace as it is.
        recorded: the decisions in the workspace.
    """
    for name in sorted({*statement.subjects, *now.subjects}):
        wanted, found = statement.subjects.get(name), now.subjects.get(name)
        if wanted is None:
            yield f"{name} is in the workspace, but not in the evidence"
        elif found is None:
            yield f"{name} is in the evidence, but not in the workspace"
        elif wanted != found:
            yield f"{name}: the evidence says SHA-256 {wanted[:12]}, the workspace has {found[:12]}"
    if len(decisions) < len(recorded):
        yield f"{recorded[len(decisions)]} stands in the workspace and is missing in the evidence"
    for mine, theirs in zip(recorded, decisions, strict=False):
        if mine.sha256 != theirs.sha256:
            yield f"{theirs} is not what the workspace has: {mine}"
            return
    if len(decisions) > len(recorded):
        yield f"{decisions[len(recorded)]} stands in the evidence and is missing in the workspace"
