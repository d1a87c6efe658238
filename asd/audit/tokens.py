"""Who may write on the audit page: one token a reviewer, of which only a salted hash is stored.

A token holds 256 random bits, so a fast hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from asd import store
from asd.errors import DataError, ParamsError, nearest
from asd.layout import Layout
from asd.people import checked_name
from asd.step_lock import hold_step
from asd.steps import StepItem

_PREFIX = "asd_"
_FORMAT = "asd-audit-tokens/1"


@dataclass(frozen=True)
class Reviewer:
    """One stored token.

    Attributes:
        name: of the reviewer; one token each.
        made: day of the token, `YYYY-MM-DD` (UTC).
        salt: hex.
        sha256: of salt and token, hex.
    """

    name: str
    made: str
    salt: str
    sha256: str

    def is_of(self, token: str) -> bool:
        """Whether `token` is this reviewer's; takes the same time for every wrong one."""
        return hmac.compare_digest(_digest(self.salt, token), self.sha256)


def read_reviewers(path: Path) -> tuple[Reviewer, ...]:
    """Everybody who has a token, by name; nobody if there is no file.

    Raises:
        DataError: the file is damaged.
    """
    if not path.exists():
        return ()
    found = store.read_json(path)
    try:
        if found["format"] != _FORMAT:
            raise ValueError
        reviewers = tuple(Reviewer(**one) for one in found["reviewers"])
        for one in reviewers:
            checked_name(one.name)
            bytes.fromhex(one.salt)
            bytes.fromhex(one.sha256)
    except (KeyError, TypeError, ValueError, AttributeError, ParamsError) as error:
        raise DataError(
            f"{path} is not a list of audit tokens; delete it and make new ones with `asd audit token NAME`"
        ) from error
    return reviewers


def new_token(layout: Layout, name: str) -> str:
    """Make a token for a reviewer and store its hash; the token itself is kept nowhere.

    Raises:
        ParamsError: no fit name, or one that has a token.
        DataError: the file of tokens is damaged.
    """
    name = checked_name(name)
    token = _PREFIX + secrets.token_urlsafe(32)
    salt = secrets.token_hex(16)
    made = datetime.now(UTC).date().isoformat()
    with hold_step(layout, "audit", StepItem("tokens")):
        before = read_reviewers(layout.audit_tokens)
        if any(one.name == name for one in before):
            raise ParamsError(f"{name!r} has a token; take it back first: `asd audit token {name} --revoke`")
        _write(layout.audit_tokens, (*before, Reviewer(name, made, salt, _digest(salt, token))))
    return token


def revoke(layout: Layout, name: str) -> None:
    """Make a reviewer's token worthless; pages that are signed in with it are signed out.

    Raises:
        ParamsError: nobody of that name has a token.
    """
    with hold_step(layout, "audit", StepItem("tokens")):
        before = read_reviewers(layout.audit_tokens)
        names = [one.name for one in before]
        if name not in names:
            raise ParamsError(f"{name!r} has no token{nearest(name, names)}; see `asd audit token --list`")
        _write(layout.audit_tokens, tuple(one for one in before if one.name != name))


def reviewer_of(path: Path, token: str) -> Reviewer | None:
    """Whose token this is; None if nobody's."""
    found = [one for one in read_reviewers(path) if one.is_of(token)]
    return found[0] if found else None


def _digest(salt: str, token: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + token.encode()).hexdigest()


def _write(path: Path, reviewers: tuple[Reviewer, ...]) -> None:
    value = {"format": _FORMAT, "reviewers": [asdict(one) for one in sorted(reviewers, key=lambda r: r.name)]}
    with store.atomic_file(path) as temporary:
        # never readable by others, not even for the moment before the rename
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(store.json_bytes(value))
