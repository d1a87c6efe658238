"""Who is signed in, and who tries to guess. In memory: a restart signs everybody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asd.audit.tokens import Reviewer, read_reviewers, reviewer_of
from asd.errors import DataError

HOURS = 12
MOST_SESSIONS = 1000
FAILURES, WINDOW = 5, 60.0
"""So many wrong tokens within so many seconds from one address, then no more are looked at."""
_MOST_ADDRESSES = 4096


@dataclass(frozen=True)
class Session:
    """A signed-in reviewer.

    Attributes:
        name: of the reviewer.
        token_sha256: hash of the token signed in with; once it is revoked, this is worth nothing.
        csrf: secret of this session's forms.
        until: monotonic seconds.
    """

    name: str
    token_sha256: str
    csrf: str
    until: float


class Sessions:
    """Signed-in reviewers by the hash of their cookie; may be used from several threads.

    Args:
        tokens: the file of tokens.
        clock: monotonic seconds.
    """

    def __init__(self, tokens: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._reviewers: tuple[tuple[int, int, int] | None, frozenset[tuple[str, str]]] = (None, frozenset())

    def sign_in(self, token: str) -> str | None:
        """The cookie of a new session; None if nobody has this token.

        Raises:
            DataError: the file of tokens is damaged.
        """
        reviewer = reviewer_of(self._tokens, token)
        return None if reviewer is None else self._start(reviewer)

    def _start(self, reviewer: Reviewer) -> str:
        cookie = secrets.token_urlsafe(32)
        session = Session(
            reviewer.name, reviewer.sha256, secrets.token_urlsafe(32), self._clock() + HOURS * 3600
        )
        with self._lock:
            self._sessions[_hash(cookie)] = session
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return cookie

    def sign_out(self, cookie: str | None) -> None:
        """Forget a session."""
        with self._lock:
            self._sessions.pop(_hash(cookie or ""), None)

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None if there is none, it is over, or its token was revoked."""
        if not cookie:
            return None
        with self._lock:
            session = self._sessions.get(_hash(cookie))
        if session is None:
            return None
        if session.until < self._clock() or (session.name, session.token_sha256) not in self._known():
            self.sign_out(cookie)
            return None
        return session

    def _known(self) -> frozenset[tuple[str, str]]:
        try:
            found = self._tokens.stat()
        except OSError:
            return frozenset()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._reviewers[0] != stamp:
            try:
                reviewers = read_reviewers(self._tokens)
            except DataError:
                return frozenset()
            self._reviewers = (stamp, frozenset((one.name, one.sha256) for one in reviewers))
        return self._reviewers[1]


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, without telling by time where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


class Failures:
    """Counts wrong tokens by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Seconds until this address may try again; 0 is now."""
        with self._lock:
            times = self._times.get(address)
            if times is None:
                return 0
            while times and times[0] <= self._clock() - WINDOW:
                times.popleft()
            return 0 if len(times) < FAILURES else int(times[0] + WINDOW - self._clock()) + 1

    def note(self, address: str) -> None:
        """One more wrong token from this address."""
        with self._lock:
            self._times.setdefault(address, deque(maxlen=FAILURES)).append(self._clock())
            self._times.move_to_end(address)
            while len(self._times) > _MOST_ADDRESSES:
                self._times.popitem(last=False)
