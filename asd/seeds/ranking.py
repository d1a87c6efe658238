"""From the lines of `seeds/trusted.csv` to the ranked seed set of one trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from asd import rng
from asd.errors import DataError
from asd.seeds.drawing import from_keys
from asd.seeds.seed_set import SeedSet
from asd.seeds.standing import problems
from asd.seeds.trusted import Vouched
from asd.types import SampleIndex


def still_vouched(
    rows: Sequence[Vouched], fetched: SampleIndex, view: SampleIndex, class_names: Sequence[str]
) -> list[Vouched]:
    """The lines of one data set whose picture and label the training view shows unchanged.

    An attack that we plant changes pictures after people vouched for them: nobody vouches for
    what it made, so such lines are left out.

    Args:
        rows: the lines of the data set.
        fetched: its training samples as fetched.
        view: the same with what was planted.
        class_names: K names.

    Raises:
        DataError: the lines do not fit the data as fetched, or a class has none left.
    """
    wrong = problems(rows, fetched, class_names)
    if wrong:
        more = f" (and {len(wrong) - 1} more: `asd seeds check`)" if len(wrong) > 1 else ""
        raise DataError(f"seeds: {wrong[0]}{more}")
    row_of = {key: row for row, key in enumerate(view.keys)}
    left = []
    for row in rows:
        at = row_of[row.key]
        if (view.content[at], class_names[int(view.labels[at])]) == (row.content_sha256, row.label):
            left.append(row)
    lost = sorted({row.label for row in rows} - {row.label for row in left})
    if lost:
        raise DataError(
            f"the planted attack changed every seed of class {lost[0]!r}; add more with `asd seeds sheet` "
            "and `asd seeds add`"
        )
    return left


def ranked(rows: Sequence[Vouched], view: SampleIndex, random_seed: int, trial: int, where: str) -> SeedSet:
    """The seeds in a random order per trial, so that trials differ where a class has more than w.

    Raises:
        DataError: there is no line; `where` says in which file.
    """
    labels = sorted({row.label for row in rows})
    keys: list[str] = []
    for label in labels:
        own = sorted(row.key for row in rows if row.label == label)
        order = rng.numpy_generator(random_seed, trial, "seeds", label).permutation(len(own)).tolist()
        keys += [own[i] for i in order]
    names = Counter(row.by for row in rows)
    return replace(from_keys(view, keys, where), vouched_by=dict(sorted(names.items())))
