"""What people decide on a cell: a chained log in git, each line signed with its author's SSH key.

What is signed is the line without its signature, so with the hash of the line before: the
earlier decisions are signed with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from asd.audit.chain import Link, head, hold_chain, line_bytes, parse_chain
from asd.audit.evidence import ssh
from asd.audit.evidence.statement import Statement
from asd.errors import DataError, ParamsError
from asd.layout import Cell, Layout
from asd.people import checked_name

Verdict = Literal["approve", "reject"]
_SIGNATURE = "signature"
_LONGEST_NOTE = 2000
_HEX = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ")
_FIELDS = {"at", "by", "cell", "decision", "digests", "evidence_sha256", "made", "note", "review_log"}


@dataclass(frozen=True)
class Decision:
    """One line of the log.

    Attributes:
        number: from 1.
        cell: what it is about.
        decision: what was decided.
        by: who, in their own words; the key tells whether it is true.
        note: why, one line.
        at: when, by the clock of the signer's machine, `2026-01-31T12:00:00Z` (UTC).
        evidence_sha256: digest of the statement that was signed (without `made`).
        digests: name -> SHA-256 (hex) of the files that are not shards, to say what differs.
        made: versions and commit on the signer's machine.
        signature: base64; None: UNSIGNED.
        payload: the bytes that were signed.
        sha256: hash (hex) of the line.
    """

    number: int
    cell: str
    decision: Verdict
    by: str
    note: str
    at: str
    evidence_sha256: str
    digests: dict[str, str]
    made: Any
    signature: str | None
    payload: bytes
    sha256: str

    def __str__(self) -> str:
        return f"decision {self.number} ({self.decision} by {self.by}, {self.at})"

    def covers(self, statement: Statement) -> bool:
        """Whether it was made on this evidence and no other."""
        return self.evidence_sha256 == statement.digest

    def differences(self, statement: Statement) -> list[str]:
        """What was other when it was signed, a line each; shards show in their manifests."""
        now = comparable(statement)
        found = []
        for name in sorted({*now, *self.digests}):
            before, after = self.digests.get(name), now.get(name)
            if before != after:
                found.append(f"{name} was {_short(before)} when it was signed and is {_short(after)} now")
        return found or [f"the statement was {self.evidence_sha256[:12]}, is {statement.digest[:12]}"]


def _short(digest: str | None) -> str:
    return "absent" if digest is None else digest[:12]


def comparable(statement: Statement) -> dict[str, str]:
    """The subjects without shards, of which there can be thousands and which manifests cover."""
    return {name: digest for name, digest in statement.subjects.items() if not name.endswith(".tar")}


def checked_decision_note(note: str) -> str:
    """A note of one line.

    Raises:
        ParamsError: empty, too long, or with control characters.
    """
    note = note.strip()
    if not note or len(note) > _LONGEST_NOTE or not note.isprintable():
        raise ParamsError(f"--note: wanted one line of 1 to {_LONGEST_NOTE} letters that says why")
    return note


def sign(
    layout: Layout, statement: Statement, *, by: str, decision: Verdict, note: str, key: Path | None
) -> Decision:
    """Add a decision on `statement` to the cell's log; without a key it is UNSIGNED.

    Raises:
        ParamsError: a name, note or key that cannot be used; nothing is written.
        DataError: the log's chain is broken.
    """
    by, note = checked_name(by), checked_decision_note(note)
    path = layout.decisions(statement.cell)
    with hold_chain(path) as chain:
        before = [read_link(number, link) for number, link in enumerate(chain.links, 1)]
        value: dict[str, Any] = {
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "by": by,
            "cell": str(statement.cell),
            "decision": decision,
            "digests": comparable(statement),
            "evidence_sha256": statement.digest,
            "made": statement.made,
            "note": note,
            "review_log": statement.predicate["review_log"]["head"],
        }
        payload = line_bytes(value, head(chain.links))
        signature = None if key is None else ssh.sign(payload, key)
        link = chain.append({**value, _SIGNATURE: signature})
    return read_link(len(before) + 1, link)


def read_decisions(content: bytes, name: str) -> list[Decision]:
    """The decisions in the bytes of a log.

    Raises:
        DataError: the chain is broken, or a line is no decision.
    """
    links = parse_chain(content, name)
    return [read_link(number, link) for number, link in enumerate(links, 1)]


def read_link(number: int, link: Link) -> Decision:
    """A line of the log as a decision.

    Raises:
        DataError: it is none.
    """
    value = dict(link.value)
    signature = value.pop(_SIGNATURE, None)
    if set(value) != _FIELDS:
        raise DataError(f"decision {number}: wanted the fields {', '.join(sorted(_FIELDS))}")
    texts = {name: value[name] for name in ("at", "by", "cell", "decision", "evidence_sha256", "note")}
    wrong = [name for name, text in texts.items() if not isinstance(text, str) or not text.isprintable()]
    digests = value["digests"]
    if wrong or not _MOMENT.fullmatch(value["at"]) or value["decision"] not in ("approve", "reject"):
        raise DataError(
            f"decision {number}: {wrong[0] if wrong else 'at or decision'} is not what asd writes"
        )
    if not isinstance(digests, Mapping) or not all(_is_digest(d) for d in digests.values()):
        raise DataError(f"decision {number}: digests are no SHA-256s")
    if signature is not None:
        if not isinstance(signature, str):
            raise DataError(f"decision {number}: the signature is no text")
        try:
            ssh.check_signature(signature)
        except DataError as error:
            raise DataError(f"decision {number}: {error}") from error
    return Decision(
        number=number,
        **texts,
        digests=dict(digests),
        made=value["made"],
        signature=signature,
        payload=line_bytes(value, link.previous),
        sha256=link.sha256,
    )


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def made_by(decisions: list[Decision], statement: Statement) -> Any:
    """Who took the digests: as the last decision on this evidence says, else whoever asks."""
    current = [one for one in decisions if one.covers(statement)]
    return current[-1].made if current else statement.made


def of_cell(layout: Layout, cell: Cell) -> tuple[bytes, list[Decision]]:
    """The log of a cell as bytes and as decisions; empty where nobody decided.

    Raises:
        DataError: the chain is broken, or a line is no decision.
    """
    path = layout.decisions(cell)
    content = path.read_bytes() if path.is_file() else b""
    return content, read_decisions(content, str(path))
