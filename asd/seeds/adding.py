"""Recording that somebody vouches for pictures of the training data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asd.errors import DataError, ParamsError, nearest
from asd.seeds.trusted import Vouched
from asd.types import SampleIndex


@dataclass(frozen=True)
class Vote:
    """What a person said of one training set.

    Attributes:
        dataset: the data set's variant.
        label: class name.
        pictures: key -> content hash (hex) of the picture that was looked at; None if unknown.
        by: who.
        day: when, `YYYY-MM-DD` (UTC).
    """

    dataset: str
    label: str
    pictures: dict[str, str | None]
    by: str
    day: str


@dataclass(frozen=True)
class Added:
    """All lines after a vote, and which keys are new and which stood there already."""

    rows: tuple[Vouched, ...]
    new: tuple[str, ...]
    already: tuple[str, ...]


def check_class(name: str, class_names: Sequence[str]) -> None:
    """Refuse a class that the data set does not have.

    Raises:
        ParamsError: names the nearest class.
    """
    if name not in class_names:
        shown = ", ".join(class_names[:10]) + ("..." if len(class_names) > 10 else "")
        raise ParamsError(f"no class {name!r}{nearest(name, class_names)} (classes: {shown})")


def add(rows: Sequence[Vouched], vote: Vote, index: SampleIndex, class_names: Sequence[str]) -> Added:
    """The lines with those of `vote` among them; what stood there with another picture is replaced.

    Args:
        rows: what the file holds.
        vote: what the person said.
        index: the training data as fetched.
        class_names: K names.

    Raises:
        ParamsError: an unknown class or key, a picture of another class, or one that is a seed already.
        DataError: the data is not what the sheet showed.
    """
    check_class(vote.label, class_names)
    row_of = {key: row for row, key in enumerate(index.keys)}
    after = {(row.dataset, row.key): row for row in rows}
    new, already = [], []
    for key, seen in vote.pictures.items():
        if key not in row_of:
            raise ParamsError(f"data set {vote.dataset} has no sample {key!r}{nearest(key, index.keys)}")
        content, given = index.content[row_of[key]], class_names[int(index.labels[row_of[key]])]
        _check_picture(vote, key, given, same=seen in (None, content))
        line = Vouched(vote.dataset, vote.label, key, content, vote.by, vote.day)
        before = after.get((vote.dataset, key))
        if before is not None and (before.label, before.content_sha256) == (vote.label, content):
            already.append(key)
            continue
        _check_new(line, after.values())
        after[vote.dataset, key] = line
        new.append(key)
    return Added(tuple(sorted(after.values())), tuple(new), tuple(already))


def _check_picture(vote: Vote, key: str, given: str, *, same: bool) -> None:
    if not same:
        raise DataError(
            f"the picture of {key} is not the one on the sheet: the data has changed; "
            "make the sheets anew with `asd seeds sheet`"
        )
    if given != vote.label:
        raise ParamsError(
            f"{key} is labelled {given!r} in the data, not {vote.label!r}: add it with --class {given!r} if "
            "that is right; if the label is wrong it cannot be a seed, so pick another"
        )


def _check_new(line: Vouched, rows: Iterable[Vouched]) -> None:
    for row in rows:
        twin = row.content_sha256 == line.content_sha256 and row.key != line.key
        if twin and row.dataset == line.dataset:
            raise ParamsError(f"{line.key} is the same picture as {row.key}, which is a seed; pick another")
