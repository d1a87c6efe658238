"""Pictures that came before, in this drop, an earlier one or the test set: the same, or almost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from asd.intake.checks import Problem
from asd.intake.index import TEST_SET, Content, ContentIndex
from asd.intake.pool import Copy
from asd.intake.types import PerceptualHashes
from asd.safe_text import safe_text

_THIS_DROP = 2**31  # stands for the drop at hand, which may have no number yet


@dataclass(frozen=True)
class Candidate:
    """A picture that passed all checks of its own: its name, its class, what is wrong with its label."""

    path: str
    label: str
    label_problem: Problem | None
    copy: Copy


@dataclass(frozen=True)
class Passed:
    """It is new: flags of the comparison, and what they point to."""

    flags: tuple[str, ...] = ()
    flagged_with: str = ""


class Duplicates:
    """Compares pictures with all that came before them; a context manager.

    Args:
        earlier: what is known from earlier drops and the test set; only read.
        near_bits: perceptual hashes so many bits apart are flagged.
    """

    def __init__(self, earlier: ContentIndex, near_bits: int) -> None:
        self._indexes = (earlier, ContentIndex(None))
        self._near_bits = near_bits

    def __enter__(self) -> Duplicates:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._indexes[1].close()

    def judge(self, batch: Sequence[Candidate]) -> list[Passed | Problem]:
        """For each picture whether it is new, in order; the new ones are remembered."""
        if not batch:
            return []
        pictures = [(one.copy.content_sha256, one.copy.trained_sha256) for one in batch]
        hashes = [one.copy.perceptual_hash for one in batch]
        same = [index.exact(pictures) for index in self._indexes]
        near = [index.near(hashes, self._near_bits) for index in self._indexes]
        new: list[Content] = []
        here: dict[str, Content] = {}
        before = np.zeros(len(batch), np.uint64)
        judged: list[Passed | Problem] = []
        for place, one in enumerate(batch):
            copy = one.copy
            exact = next((found[place] for found in same if found[place]), None)
            exact = exact or here.get(copy.content_sha256) or here.get(copy.trained_sha256)
            problem = _problem(one, exact)
            if problem is not None:
                judged.append(problem)
                continue
            close = [found[place] for found in near]
            close.append(_nearest(before[: len(new)], new, copy.perceptual_hash, self._near_bits))
            judged.append(_flagged(one, close))
            content = Content(*pictures[place], copy.perceptual_hash, _THIS_DROP, one.label, one.path)
            before[len(new)] = copy.perceptual_hash
            new.append(content)
            here[copy.content_sha256] = here[copy.trained_sha256] = content
        self._indexes[1].add(new)
        return judged


def _problem(one: Candidate, exact: Content | None) -> Problem | None:
    """Why the picture is refused: it came before, or its label is wrong."""
    if exact is not None and exact.drop == TEST_SET:
        return "duplicate-of-test", f"the same as {_shown(exact)}"
    if exact is not None and exact.label == one.label:
        return "duplicate", f"the same as {_shown(exact)}"
    if one.label_problem is not None or exact is None:
        return one.label_problem
    return "label-flip", f"{_shown(exact)} is the same picture with the label {safe_text(exact.label)!r}"


def _flagged(one: Candidate, close: Sequence[Content | None]) -> Passed:
    there = [content for content in close if content is not None]
    if not there:
        return Passed()
    wanted = one.copy.perceptual_hash
    nearest = min(there, key=lambda content: (content.perceptual_hash ^ wanted).bit_count())
    if nearest.drop == TEST_SET:
        return Passed(("near-duplicate-of-test",), _shown(nearest))
    flip = ("label-flip",) if nearest.label != one.label else ()
    return Passed(("near-duplicate", *flip), _shown(nearest))


def _nearest(before: PerceptualHashes, new: list[Content], wanted: int, bits: int) -> Content | None:
    if not new:
        return None
    away = np.bitwise_count(before ^ np.uint64(wanted))
    place = int(away.argmin())
    return new[place] if away[place] <= bits else None


def _shown(content: Content) -> str:
    where = {TEST_SET: "the test set: ", _THIS_DROP: ""}.get(content.drop, f"drop {content.drop}: ")
    return where + safe_text(content.path)
