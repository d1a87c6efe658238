"""Which pictures a person is shown: drawn at random, class by class, never chosen by a model."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from asd import rng
from asd.errors import ParamsError, nearest
from asd.source_groups import source_group
from asd.types import SampleIndex

_SEED = 0  # the numbers on the sheets must not change with a run's random_seed


def numbered(index: SampleIndex, class_names: Sequence[str]) -> list[list[int]]:
    """Per class the rows of all its candidates; number n of a class is the n-th, counted from 1.

    The sources of a class take turns, so that every first part is spread over them. Of equal
    pictures only the first counts, and none if they have several labels.

    Args:
        index: N training samples.
        class_names: K names.
    """
    by_label: list[list[int]] = [[] for _ in class_names]
    labels = index.labels.tolist()
    for row in unambiguous(index.content, labels):
        by_label[labels[row]].append(row)
    numbered_rows = []
    for label, (name, rows) in enumerate(zip(class_names, by_label, strict=True)):
        order = rng.numpy_generator(_SEED, "seeds", "sheet", label).permutation(len(rows)).tolist()
        shuffled = [rows[i] for i in order]
        groups = [source_group(index.sources[row], name) for row in shuffled]
        numbered_rows.append(_in_turns(shuffled, groups))
    return numbered_rows


def unambiguous(content: Sequence[str], labels: Sequence[int]) -> list[int]:
    """The first row of each picture, in order; none of a picture that has several labels."""
    first: dict[str, int] = {}
    mixed: set[str] = set()
    for row, picture in enumerate(content):
        if labels[first.setdefault(picture, row)] != labels[row]:
            mixed.add(picture)
    return [row for picture, row in first.items() if picture not in mixed]


def _in_turns(rows: Sequence[int], groups: Sequence[str]) -> list[int]:
    """`rows` so that each group gives one before any gives its next; else in the order given."""
    given: dict[str, int] = {}
    turns = []
    for group in groups:
        turns.append(given.get(group, 0))
        given[group] = turns[-1] + 1
    return [rows[i] for i in np.argsort(turns, kind="stable").tolist()]


def of_sources(index: SampleIndex, class_names: Sequence[str], wanted: Sequence[str]) -> frozenset[int]:
    """Rows whose source one of `wanted` names (globs allowed); all rows if none is wanted.

    Raises:
        ParamsError: a name that fits no source.
    """
    if not wanted:
        return frozenset(range(len(index)))
    labels = index.labels.tolist()
    groups = [source_group(s, class_names[label]) for s, label in zip(index.sources, labels, strict=True)]
    known = sorted(set(groups))
    for pattern in wanted:
        if not any(fnmatchcase(group, pattern) for group in known):
            shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
            raise ParamsError(f"no source {pattern!r}{nearest(pattern, known)} (sources: {shown})")
    fits = {group for group in known if any(fnmatchcase(group, pattern) for pattern in wanted)}
    return frozenset(row for row, group in enumerate(groups) if group in fits)
