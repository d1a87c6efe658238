"""`reviews/log.jsonl`: what people said of single pictures, appended and never rewritten.

Each line carries the SHA-256 of the line before (`asd.audit.chain`). A review is bound to the picture's
content, not to its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from asd.audit.chain import Link, hold_chain, read_chain
from asd.errors import DataError, ParamsError
from asd.exclusions import Exclusion, read_exclusions, write_exclusions
from asd.layout import Layout
from asd.people import checked_name, checked_note
from asd.shards.keys import check_key

PersonsVerdict = Literal["clean", "poisoned"]
PERSONS_VERDICTS: tuple[PersonsVerdict, ...] = get_args(PersonsVerdict)

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


_FIELDS = frozenset(Review.__dataclass_fields__) - {"verdict", "previous"} | {"as"}


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
    with hold_chain(layout.review_log) as chain:
        for number, link in enumerate(chain.links, 1):
            _review(link, f"{layout.review_log} line {number}")
        lines = read_exclusions(layout.exclusions)  # before the first word is written
        fields = {
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "by": by,
            "as": verdict_by_person,
            "dataset": dataset,
            "key": key,
            "content_sha256": content_sha256,
            "label": label[:_LONGEST_LABEL],
            "run": run,
            "note": note,
        }
        review = _review(chain.append(fields), str(layout.review_log))
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
    return [_review(link, f"{path} line {number}") for number, link in enumerate(read_chain(path), 1)]


def _review(link: Link, where: str) -> Review:
    found = dict(link.value)
    if frozenset(found) != _FIELDS:
        raise DataError(f"{where}: wanted an object with {', '.join(sorted(_FIELDS))}; {_MEND}")
    if not all(isinstance(value, str) for value in found.values()):
        raise DataError(f"{where}: every value must be a text; {_MEND}")
    verdict = found.pop("as")
    if verdict not in PERSONS_VERDICTS or not _HEX.fullmatch(found["content_sha256"]):
        raise DataError(f"{where}: wanted as clean or poisoned, and a content hash; {_MEND}")
    return Review(verdict=verdict, previous=link.previous, **found)


def latest_by_content(reviews: Iterable[Review]) -> dict[str, Review]:
    """Content hash (hex) -> the last word on that picture."""
    return {review.content_sha256: review for review in reviews}
