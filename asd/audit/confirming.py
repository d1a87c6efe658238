"""`asd audit confirm`: which picture a person means, and what follows from what they say of it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from asd.audit.ledger import Ledger
from asd.audit.queries import find_sample
from asd.audit.reviews import PersonsVerdict, Review, append_review, read_reviews
from asd.audit.runs import Run
from asd.errors import DataError, ParamsError
from asd.exclusions import excluded
from asd.layout import Layout
from asd.safe_text import safe_text
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import read_index

_HASH = re.compile(r"[0-9a-f]{8,64}")
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Picture:
    """What a review is about: key, content hash (hex) and class name as given."""

    key: str
    content_sha256: str
    class_name: str


def find_picture(layout: Layout, ledger: Ledger, run: Run, key: str) -> Picture:
    """The sample that a KEY names, or a picture that was left out since or stands in the review log.

    Raises:
        ParamsError: none or several.
    """
    try:
        row = find_sample(ledger, run, key)
    except ParamsError:
        found = _outside(layout, run.cell.dataset, key)
        if len(found) != 1:
            raise
        return found.pop()
    return Picture(row["key"], row["content_sha256"], row["class_name"])


def _outside(layout: Layout, dataset: str, key: str) -> set[Picture]:
    """Excluded pictures are no samples any more, and a person must be able to take their word back."""
    try:
        gone = {Picture(one.key, one.content_sha256, one.class_name) for one in excluded(layout, dataset)}
    except DataError:
        gone = set()
    reviews = [review for review in read_reviews(layout.review_log) if review.dataset == dataset]
    gone |= {Picture(one.key, one.content_sha256, one.label) for one in reviews}
    hashed = {p for p in gone if _HASH.fullmatch(key.lower()) and p.content_sha256.startswith(key.lower())}
    named = {p for p in gone if p.key == key}
    # the same picture under several names is one picture
    return set({p.content_sha256: p for p in sorted(hashed or named, key=str)}.values())


def confirm(
    layout: Layout, run: Run, picture: Picture, verdict: PersonsVerdict, by: str, note: str
) -> tuple[Review, list[str]]:
    """Record a review; what a person should know or do next, a sentence each.

    Raises:
        ParamsError: a name or note that cannot stand in the log.
        DataError: the log or the exclusions are damaged.
    """
    dataset = run.cell.dataset
    fetched = _fetched(layout, dataset)
    review = append_review(
        layout,
        dataset=dataset,
        key=picture.key,
        content_sha256=picture.content_sha256,
        label=picture.class_name[:_LONGEST_NAME],
        run=run.name,
        verdict_by_person=verdict,
        by=by,
        note=note,
    )
    lines = [row for row in read_trusted(layout.trusted_seeds) if row.dataset == dataset]
    seed = next((row for row in lines if row.content_sha256 == picture.content_sha256), None)
    if verdict == "poisoned":
        return review, _after_poisoned(layout, dataset, picture, fetched, seed is not None)
    if seed is None and fetched.get(picture.content_sha256):
        return review, [seed_command(dataset, picture.class_name, [fetched[picture.content_sha256]])]
    return review, []


def seed_command(dataset: str, class_name: str, keys: list[str]) -> str:
    """What to type to make pictures seeds, for a person who vouches for them."""
    words = " ".join(f"--key {key}" for key in keys)
    name = safe_text(class_name, _LONGEST_NAME)
    return f"asd seeds add --dataset {dataset} --class {shlex.quote(name)} {words} --by NAME"


def _fetched(layout: Layout, dataset: str) -> dict[str, str]:
    """Content hash -> key of the training data as fetched; empty where it is not there."""
    try:
        index = read_index(layout.fetched(dataset, "train"))
    except DataError:
        return {}
    return dict(zip(index.content, index.keys, strict=True))


def _after_poisoned(
    layout: Layout, dataset: str, picture: Picture, fetched: dict[str, str], is_seed: bool
) -> list[str]:
    told = []
    if picture.content_sha256 in fetched:
        told.append("left out of the next run: `asd run`")
    elif fetched and not any(
        one.content_sha256 == picture.content_sha256 for one in excluded(layout, dataset)
    ):
        told.append(
            f"no picture of {dataset} as fetched has this content: the step poison made it, or it left the "
            "source. Leaving it out takes nothing out of the data"
        )
    if is_seed:
        told.append(
            "it is a seed: take its line out of seeds/trusted.csv and pick another, `asd seeds sheet`"
        )
    if layout.exclusions.name not in layout.pipeline.read_text():
        told.append(
            "dvc.yaml is of an earlier version and does not know reviews/exclusions.csv: add it to the deps "
            "of the stage fetch, or no run leaves the picture out"
        )
    return told
