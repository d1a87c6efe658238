"""Reviews on the pages: what people said of a picture, and the form that says more."""

from __future__ import annotations

import threading

from asd.audit.reviews import (
    PERSONS_VERDICTS,
    Review,
    append_review,
    latest_by_content,
    read_reviews,
)
from asd.audit.runs import Run
from asd.audit.web.data import Stamp, stamp
from asd.errors import ParamsError
from asd.layout import Layout

_lock = threading.Lock()
_known: dict[str, tuple[Stamp, list[Review]]] = {}


def reviews(layout: Layout) -> list[Review]:
    """The log, read again only when it has changed.

    Raises:
        DataError: its chain is broken.
    """
    name, now = str(layout.review_log), stamp(layout.review_log)
    with _lock:
        known = _known.get(name)
        if known is None or known[0] != now:
            known = (now, read_reviews(layout.review_log))
            _known[name] = known
        return known[1]


def latest_reviews(layout: Layout) -> dict[str, Review]:
    """Content hash (hex) -> the last word on that picture."""
    return latest_by_content(reviews(layout))


def reviews_of(layout: Layout, content: str) -> list[Review]:
    """What was said of one picture, the newest first."""
    return [review for review in reversed(reviews(layout)) if review.content_sha256 == content]


def review(layout: Layout, run: Run, sample: dict[str, object], form: dict[str, str], by: str) -> Review:
    """Append what a reviewer says of a sample.

    Args:
        sample: row of the ledger's `samples`.
        form: `as`, `note` and `content`, the hash of the picture that was on the page.
        by: name, from the reviewer's token.

    Raises:
        ParamsError: no such verdict, an unfit note, or the sample has another picture by now.
    """
    said = form.get("as", "")
    if said not in PERSONS_VERDICTS:
        raise ParamsError(f"say {' or '.join(PERSONS_VERDICTS)}")
    if form.get("content") != sample["content_sha256"]:
        raise ParamsError("this sample has another picture by now; look at it again")
    return append_review(
        layout,
        dataset=run.cell.dataset,
        key=str(sample["key"]),
        content_sha256=str(sample["content_sha256"]),
        label=str(sample["class_name"]),
        run=run.name,
        verdict_by_person=said,
        by=by,
        note=" ".join(form.get("note", "").split()),
    )
