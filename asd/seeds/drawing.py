"""Making a seed set: from an oracle, from named keys, or from images outside the training set.

This module never sees the truth: who draws oracle seeds passes the samples that may be drawn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from asd import rng
from asd.errors import DataError, ParamsError, nearest
from asd.seeds.seed_set import Origin, SeedSet
from asd.types import Mask, SampleIndex


def list_limit(class_size: int) -> int:
    """How many seeds an oracle list holds of a class of that many samples.

    5% and at least 50, but no more than half of the class (or 10): a list of all clean
    samples would tell which ones are not.
    """
    return min(max(50, math.ceil(class_size / 20)), max(10, class_size // 2))


def from_oracle(index: SampleIndex, allowed: Mask, random_seed: int, trial: int) -> SeedSet:
    """Draw and rank seeds among the samples that are known to be clean.

    Args:
        index: the training set as given, N samples.
        allowed: which samples may be drawn, shape (N,).
        random_seed: together with `trial` says what is drawn.
        trial: number of the repeat.
    """
    chosen: dict[int, list[str]] = {}
    limited = []
    for label in np.unique(index.labels).tolist():
        of_class = index.labels == label
        limit = list_limit(int(of_class.sum()))
        candidates = np.flatnonzero(of_class & allowed)
        generator = rng.numpy_generator(random_seed, trial, "seeds", label)
        chosen[label] = [index.keys[row] for row in generator.permutation(candidates)[:limit]]
        if len(candidates) > limit:
            limited.append(label)
    return ranked("oracle", chosen, tuple(limited))


def mix_in_poisoned(
    seeds: SeedSet, index: SampleIndex, planted: Mask, count: int, random_seed: int, trial: int
) -> SeedSet:
    """Put `count` planted samples in the place of the best seeds of their class (paper section 5.4, Table 5).

    Their labels stay as given. A class that gets k of them loses its k last seeds, so the others of
    its first w stay what they are without.

    Args:
        planted: which samples are poisoned, shape (N,).
        random_seed: together with `trial` says which are taken; a larger `count` takes the same and more.

    Raises:
        ParamsError: fewer are planted.
    """
    rows = np.flatnonzero(planted)
    if count > len(rows):
        raise ParamsError(f"seeds.poisoned asks for {count} planted samples, but {len(rows)} are planted")
    drawn = rng.numpy_generator(random_seed, trial, "poisoned-seeds").permutation(rows)[:count]
    chosen: dict[int, list[str]] = {}
    for label in sorted({*seeds.labels.tolist(), *index.labels[drawn].tolist()}):
        clean = [key for key, of in zip(seeds.keys, seeds.labels.tolist(), strict=True) if of == label]
        bad = [index.keys[row] for row in drawn if index.labels[row] == label]
        chosen[label] = bad + clean[: len(clean) - len(bad)] if bad else clean
    return ranked("oracle", chosen, seeds.limited)


def from_keys(index: SampleIndex, keys: Sequence[str], where: str) -> SeedSet:
    """Seeds that a person named; the order of `keys` is the rank, the labels are those given.

    Raises:
        DataError: `keys` is empty, names a key twice or one that is not in the training set;
            `where` says in which file.
    """
    if not keys:
        raise DataError(f"{where} names no key; write one a line")
    most, times = Counter(keys).most_common(1)[0]
    if times > 1:
        raise DataError(f"{where} names {most!r} {times} times; once is enough")
    labels = dict(zip(index.keys, index.labels.tolist(), strict=True))
    unknown = [key for key in keys if key not in labels]
    if unknown:
        shown = ", ".join(repr(key) for key in unknown[:3])
        raise DataError(
            f"{where}: {len(unknown)} of {len(keys)} keys are not in the training set: {shown}"
            f"{nearest(unknown[0], index.keys)}"
        )
    return ranked("keys", _by_label((key, labels[key]) for key in keys))


def from_outside(index: SampleIndex, random_seed: int, trial: int) -> SeedSet:
    """Rank seed images from outside the training set; `index` is theirs, every one is used."""
    order = rng.numpy_generator(random_seed, trial, "seeds").permutation(len(index))
    return ranked("folder", _by_label((index.keys[row], int(index.labels[row])) for row in order))


def check_outside(outside: SampleIndex, train: SampleIndex) -> None:
    """Refuse seed images that come twice or that the training set has too.

    Raises:
        DataError: names the first such image and how many there are.
    """
    both = _in_both(outside, train.content, train.keys)
    if both:
        raise DataError(
            f"{len(both)} seed images are in the training set too, such as {both[0][0]} (it is {both[0][1]} "
            "there); take them out, or set seeds.use to keys"
        )
    first: dict[str, str] = {}
    for source, content in zip(outside.sources, outside.content, strict=True):
        if content in first:
            raise DataError(f"seed images {first[content]} and {source} are the same picture")
        first[content] = source


def check_not_tested_on(outside: SampleIndex, test: SampleIndex, place: Path) -> None:
    """Refuse seed images of the test split: what was trained on measures nothing.

    Args:
        place: where the seed images lie.

    Raises:
        DataError: names the first such image and how many there are.
    """
    both = _in_both(outside, test.content, test.sources)
    if both:
        raise DataError(
            f"{len(both)} of {len(outside)} seed images are in the test split too, such as {both[0][0]} "
            f"({both[0][1]} there), and would be trained on; take them out of the seed images, then "
            f"`asd source set seeds {place}`"
        )


def read_keys_file(path: Path) -> list[str]:
    """Keys of a text file, one a line; blank lines and what follows a `#` do not count.

    Raises:
        DataError: the file is missing or is not UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; write the keys that you trust into it, one a line") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8)") from error
    return [key for line in lines if (key := line.split("#", 1)[0].strip())]


def _by_label(pairs: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
    grouped: dict[int, list[str]] = {}
    for key, label in pairs:
        grouped.setdefault(label, []).append(key)
    return grouped


def ranked(origin: Origin, chosen: dict[int, list[str]], limited: tuple[int, ...] = ()) -> SeedSet:
    """The seed set in which each label has its keys in the order given."""
    rows = [(key, label, rank) for label in sorted(chosen) for rank, key in enumerate(chosen[label])]
    return SeedSet(
        origin=origin,
        keys=tuple(key for key, _, _ in rows),
        labels=np.array([label for _, label, _ in rows], dtype=np.int64),
        ranks=np.array([rank for _, _, rank in rows], dtype=np.int64),
        limited=limited,
    )


def _in_both(outside: SampleIndex, content: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Source of each seed image whose content is there, too, and the name it has there."""
    seen = dict(zip(content, names, strict=True))
    return [(s, seen[c]) for s, c in zip(outside.sources, outside.content, strict=True) if c in seen]
