"""`reviews/log.jsonl`: what people said of single pictures, appended and never rewritten.

Each line carries the SHA-256 of the line before, so that a line which somebody changed, removed
or slipped in breaks the chain there. (Lines cut off at the end leave a whole chain: git and the
signed evidence tell those.) A review is bound to the picture's content, not to its key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from asd.audit.exclusions import Exclusion, checked_note, read_exclusions, write_exclusions
from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.seeds.trusted import checked_name
from asd.shards.keys import check_key
from asd.step_lock import hold_step
from asd.steps import StepItem
from asd.store import atomic_file

PersonsVerdict = Literal["clean", "poisoned"]
PERSONS_VERDICTS: tuple[PersonsVerdict, ...] = get_args(PersonsVerdict)
START = "0" * 64
"""What the first line carries in place of a hash."""

_HEX = re.compile(r"[0-9a-f]{64}")
_LONGEST_LABEL = 1000
_MEND = "take the file back from git"


@dataclass(frozen=True)
class Review:
    """One line of the log.

    Attributes:
        previous: SHA-256 (hex) of the line before, with its line end.
        at: when, UTC, `2026-01-31T12:00:00Z`.
        by: who looked.
        verdict: `clean` or `poisoned`; the field `as` of the line.
        dataset: the data set's variant.
        key: of the sample at that time.
        content_sha256: hash (hex) of the picture that was looked at.
        label: class name as given, perhaps by a stranger.
        run: the run in which it was looked at, such as `digits/badnets/asd/0`.
        note: why, in one line; may be empty.
    """

    previous: str
    at: str
    by: str
    verdict: PersonsVerdict
    dataset: str
    key: str
    content_sha256: str
    label: str
    run: str
    note: str

    def to_line(self) -> bytes:
        """The line with its end; ASCII, so that no stranger's letters act on a terminal."""
        fields = asdict(self)
        fields["as"] = fields.pop("verdict")
        return (json.dumps(fields, sort_keys=True) + "\n").encode("ascii")


_FIELDS = frozenset(Review.__dataclass_fields__) - {"verdict"} | {"as"}


def append_review(
    layout: Layout,
    *,
    dataset: str,
    key: str,
    content_sha256: str,
    label: str,
    run: str,
    verdict_by_person: PersonsVerdict,
    by: str,
    note: str = "",
) -> Review:
    """Add a line to the log; `poisoned` also adds to the exclusions and `clean` takes it out again.

    Two people at once wait for each other. Nothing is written if anything is wrong.

    Raises:
        ParamsError: a name, note, key or verdict that cannot stand in the log.
        DataError: the log's chain is broken, or the exclusions cannot be read.
        BusyError: somebody else holds the log for long.
    """
    by, note = checked_name(by), checked_note(note)
    if verdict_by_person not in PERSONS_VERDICTS:
        raise ParamsError(f"--as {verdict_by_person!r}: wanted {' or '.join(PERSONS_VERDICTS)}")
    if not _HEX.fullmatch(content_sha256):
        raise ParamsError(f"content hash {content_sha256[:80]!r}: wanted 64 hex digits")
    check_key(key)
    for name, text in (("data set", dataset), ("run", run)):
        if not text or len(text) > 300 or not text.isascii() or not text.isprintable():
            raise ParamsError(f"{name} {text[:80]!r} cannot stand in the review log")
    with hold_step(layout, "reviews", StepItem("log")):
        before, reviews = _read(layout.review_log)
        lines = read_exclusions(layout.exclusions)  # before the first word is written
        last = reviews[-1].to_line() if reviews else None
        review = Review(
            previous=START if last is None else _sha256(before.splitlines(keepends=True)[-1]),
            at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            by=by,
            verdict=verdict_by_person,
            dataset=dataset,
            key=key,
            content_sha256=content_sha256,
            label=label[:_LONGEST_LABEL],
            run=run,
            note=note,
        )
        with atomic_file(layout.review_log) as temporary:  # a killed append leaves no half line
            temporary.write_bytes(before + review.to_line())
        after = _exclusions_after(lines, review)
        if after != list(lines):
            write_exclusions(layout.exclusions, after)
    return review


def _exclusions_after(lines: Iterable[Exclusion], review: Review) -> list[Exclusion]:
    picture = (review.dataset, review.content_sha256)
    same = [line for line in lines if (line.dataset, line.content_sha256) == picture]
    others = [line for line in lines if line not in same]
    if review.verdict == "clean":
        return others
    return sorted([*others, *(same or [Exclusion(*picture, review.by, review.at[:10], review.note)])])


def read_reviews(path: Path) -> list[Review]:
    """The lines of the log, oldest first; none if there is no file.

    Raises:
        DataError: names the first line that is no review or whose chain is broken.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[bytes, list[Review]]:
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return b"", []
    return whole, reviews_of(whole, str(path))


def reviews_of(whole: bytes, where: str) -> list[Review]:
    """The reviews in the bytes of a log; `where` names it in errors.

    Raises:
        DataError: as `read_reviews`.
    """
    reviews: list[Review] = []
    before = START
    for number, line in enumerate(whole.split(b"\n")[: whole.count(b"\n")], 1):
        review = _review(line, f"{where} line {number}")
        if review.previous != before:
            raise DataError(
                f"{where} line {number}: the chain is broken here: it does not carry the hash of the line "
                f"before it, so one was changed, removed or put in; {_MEND}"
            )
        reviews.append(review)
        before = _sha256(line + b"\n")
    if whole and not whole.endswith(b"\n"):
        raise DataError(f"{where} line {len(reviews) + 1}: cut short; {_MEND}")
    return reviews


def _review(line: bytes, where: str) -> Review:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON; {_MEND}") from error
    if not isinstance(found, dict) or frozenset(found) != _FIELDS:
        raise DataError(f"{where}: wanted an object with {', '.join(sorted(_FIELDS))}; {_MEND}")
    if not all(isinstance(value, str) for value in found.values()):
        raise DataError(f"{where}: every value must be a text; {_MEND}")
    verdict = found.pop("as")
    if verdict not in PERSONS_VERDICTS or not _HEX.fullmatch(found["content_sha256"]):
        raise DataError(f"{where}: wanted as clean or poisoned, and a content hash; {_MEND}")
    return Review(verdict=verdict, **found)


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def latest_by_content(reviews: Iterable[Review]) -> dict[str, Review]:
    """Content hash (hex) -> the last word on that picture."""
    return {review.content_sha256: review for review in reviews}
