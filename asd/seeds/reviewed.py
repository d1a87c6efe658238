"""What the review log says of seeds: confirmed clean is a candidate, confirmed poisoned is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asd.audit.reviews import Review, latest_by_content, read_reviews
from asd.errors import ParamsError
from asd.layout import Layout
from asd.seeds.trusted import Vouched
from asd.types import SampleIndex


@dataclass(frozen=True)
class Candidate:
    """A picture that somebody confirmed as clean and that is no seed yet.

    Attributes:
        label: class name as given.
        key: of the sample in the training data as fetched.
        by: who confirmed it.
        at: when (UTC).
    """

    label: str
    key: str
    by: str
    at: str


def last_words(layout: Layout, dataset: str) -> dict[str, Review]:
    """Content hash (hex) -> the last review of that picture in a data set.

    Raises:
        DataError: the log is damaged.
    """
    return latest_by_content(r for r in read_reviews(layout.review_log) if r.dataset == dataset)


def candidates(
    layout: Layout, dataset: str, index: SampleIndex, class_names: Sequence[str], rows: Iterable[Vouched]
) -> list[Candidate]:
    """Pictures confirmed as clean that could be seeds, by class and in the order of the data.

    Args:
        layout: of the workspace.
        dataset: the data set's variant.
        index: its training data as fetched.
        class_names: K names.
        rows: the seeds that there are, of any data set.
    """
    clean = {content: r for content, r in last_words(layout, dataset).items() if r.verdict == "clean"}
    taken = {row.content_sha256 for row in rows if row.dataset == dataset}
    found = []
    for key, label, content in zip(index.keys, index.labels.tolist(), index.content, strict=True):
        if content in clean and content not in taken:
            taken.add(content)  # a picture that stands there twice is one seed
            found.append(Candidate(class_names[label], key, clean[content].by, clean[content].at))
    return sorted(found, key=lambda one: class_names.index(one.label))


def refuse_poisoned(layout: Layout, dataset: str, index: SampleIndex, keys: Iterable[str]) -> None:
    """Refuse keys whose picture somebody confirmed as poisoned.

    Raises:
        ParamsError: names the picture, who said so and when.
        DataError: the log is damaged.
    """
    words = last_words(layout, dataset)
    content = dict(zip(index.keys, index.content, strict=True))
    for key in keys:
        review = words.get(content.get(key, ""))
        if review is not None and review.verdict == "poisoned":
            raise ParamsError(
                f"{key} cannot be a seed: {review.by} confirmed it as poisoned on {review.at[:10]}; "
                "pick another"
            )


def poisoned_seeds(layout: Layout, dataset: str, rows: Iterable[Vouched]) -> list[str]:
    """A sentence on seeds that somebody confirmed as poisoned; nothing where there are none.

    Raises:
        DataError: the log is damaged.
    """
    words = last_words(layout, dataset)
    found = [
        (row.key, words[row.content_sha256])
        for row in rows
        if row.dataset == dataset
        and row.content_sha256 in words
        and words[row.content_sha256].verdict == "poisoned"
    ]
    if not found:
        return []
    key, review = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return [
        f"{key}{more} was confirmed as poisoned by {review.by} on {review.at[:10]}; take its line out of "
        "seeds/trusted.csv and pick another: `asd seeds sheet`"
    ]
