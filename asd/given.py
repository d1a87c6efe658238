"""Poison that lies in the data already: what was said of it is matched with what was fetched.

Matching goes by pixels and label, never by order. What finds no partner is an error unless the
step fetch left it out, and then it is counted and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.attacks import NOT_KNOWN, GivenRoles, GivenTest
from asd.errors import DataError
from asd.planting import ProbeImage, Rows, probe_key
from asd.shards.left_out import read_excluded
from asd.shards.manifest import read_index, read_manifest
from asd.truth import ALONE, DECOY, POISONED, PoisonTruth, ProbeTruth
from asd.types import DataView, Sample, SampleIndex, content_sha256

CLEAN, UNKNOWN = "clean", "unknown"
_Identity = tuple[str, int]  # content hash and label


@dataclass(frozen=True)
class _Said:
    """What is said of a picture with a label: by how many rows, and where the first stands."""

    role: str
    before: int
    place: str
    rows: int


@dataclass(frozen=True)
class Matched:
    """Roles that found their samples.

    Attributes:
        truth: the poisoned samples and decoys, in manifest order.
        notes: what a person should know, in words.
    """

    truth: PoisonTruth
    notes: tuple[str, ...]


def no_roles(name: str, *, trusted: bool) -> Matched:
    """Nothing is known of the data.

    Raises:
        DataError: somebody vouches for them, so that all would count as clean.
    """
    if trusted:
        raise DataError(
            f"attacks.{name} has no prepare.roles, so nobody knows what is poisoned, but the data set says "
            "`trusted: true`, which would make every sample clean; set it to false"
        )
    truth = PoisonTruth((), (), np.empty(0, dtype=np.int64))
    return Matched(truth, ("no roles: no attack success, no purity of the pool",))


def match_roles(name: str, given: GivenRoles, train: Path, test: Path, *, limited: bool) -> Matched:
    """Find the sample of every role.

    Args:
        name: the attack's, for messages.
        given: what is said.
        train: the training set as fetched; `test` the test set.
        limited: roles of pictures that are nowhere are counted, since the data set has a `limit`.

    Raises:
        DataError: a picture with two roles, a sample without a role, a role without a sample that
            fetch did not leave out, or poisoned pictures in a test set that somebody vouches for.
    """
    manifest, index = read_manifest(train), read_index(train)
    said = _table(name, given)
    known = list(zip(index.content, index.labels.tolist(), strict=True))
    _refuse_without_role(name, index, known, said)
    unknown = sum(one.role == UNKNOWN for one in said.values())
    if unknown and manifest.trusted:
        raise DataError(
            f"attacks.{name}: {unknown} roles are unknown, but the data set says `trusted: true`, which "
            "would make their samples clean; set it to false"
        )
    notes = [*_left(name, given, said, known, train, limited, _in_test(name, said, test))]
    rows = [row for row, identity in enumerate(known) if said[identity].role in (POISONED, DECOY)]
    truth = PoisonTruth(
        keys=tuple(index.keys[row] for row in rows),
        roles=tuple(said[known[row]].role for row in rows),
        labels_before=np.array([said[known[row]].before for row in rows], dtype=np.int64),
    )
    counts = Counter(said[identity].role for identity in known)
    words = ", ".join(f"{counts[role]} {role}" for role in (CLEAN, POISONED, DECOY, UNKNOWN) if counts[role])
    return Matched(truth, (f"{len(index)} training samples: {words}", *notes))


def _table(name: str, given: GivenRoles) -> dict[_Identity, _Said]:
    said: dict[_Identity, _Said] = {}
    columns = (given.contents, given.labels.tolist(), given.roles, given.labels_before.tolist(), given.places)
    for content, label, role, before, place in zip(*columns, strict=True):
        if role in (CLEAN, DECOY) and before not in (NOT_KNOWN, label):
            raise DataError(
                f"attacks.{name}: {place} of the roles is {role}, but its label {label} is not its original "
                f"label {before}"
            )
        before = label if role in (CLEAN, DECOY) else before
        old = said.get((content, label), _Said(role, before, place, 0))
        if (old.role, old.before) != (role, before):
            raise DataError(
                f"attacks.{name}: {old.place} and {place} of the roles are the same picture with the same "
                f"label, but one is {old.role} (original label {_shown(old.before)}), the other {role} "
                f"({_shown(before)})"
            )
        said[content, label] = _Said(role, before, old.place, old.rows + 1)
    return said


def _shown(label: int) -> str:
    return "not known" if label == NOT_KNOWN else str(label)


def _refuse_without_role(
    name: str, index: SampleIndex, known: Sequence[_Identity], said: dict[_Identity, _Said]
) -> None:
    lonely = [row for row, identity in enumerate(known) if identity not in said]
    if not lonely:
        return
    contents = {content for content, _ in said}
    relabelled = sum(index.content[row] in contents for row in lonely)
    why = f"; {relabelled} of them are there with another label" if relabelled else ""
    raise DataError(
        f"attacks.{name}: {len(lonely)} of {len(index)} training samples have no role, such as "
        f"{index.keys[lonely[0]]} ({index.sources[lonely[0]]}){why}; the roles must be of the same pictures, "
        "pixel for pixel, with the same labels"
    )


def _in_test(name: str, said: dict[_Identity, _Said], test: Path) -> Counter[_Identity]:
    """Test samples that have a role: `held_out` took them out of the poisoned set.

    Raises:
        DataError: some of them are poisoned, and somebody vouches for the test set.
    """
    index = read_index(test)
    found = Counter(
        identity for identity in zip(index.content, index.labels.tolist(), strict=True) if identity in said
    )
    bad = sum(count for identity, count in found.items() if said[identity].role == POISONED)
    if bad and read_manifest(test).trusted:
        raise DataError(
            f"attacks.{name}: {bad} of {len(index)} test pictures are poisoned ones of the roles; give the "
            "data set a test split of its own, or `test: folder`"
        )
    return found


def _left(
    name: str,
    given: GivenRoles,
    said: dict[_Identity, _Said],
    known: Sequence[_Identity],
    train: Path,
    limited: bool,
    in_test: Counter[_Identity],
) -> Iterator[str]:
    """Say where the roles without a sample went.

    Raises:
        DataError: some went nowhere.
    """
    manifest = read_manifest(train)
    place = {label: number for number, label in enumerate(manifest.class_names)}
    gone = Counter((one.content_sha256, place[one.class_name]) for one in read_excluded(train, manifest))
    left = {"are test pictures (held_out)": in_test, "were excluded by people": gone}
    counts, there = Counter[str](), Counter(known)
    nowhere: list[str] = []
    for identity, one in said.items():
        missing = one.rows - there[identity]
        for reason, found in left.items():
            taken = max(0, min(missing, found[identity]))
            counts[reason] += taken
            missing -= taken
        if missing > 0:
            nowhere += [one.place] * missing
    unreadable = manifest.left_out.count if manifest.left_out else 0
    if len(given.unreadable) > unreadable:
        raise DataError(
            f"attacks.{name}: {len(given.unreadable)} pictures of the roles cannot be read, such as "
            f"{given.unreadable[0]}, but the data set left out {unreadable}"
        )
    if nowhere and not limited:
        raise DataError(
            f"attacks.{name}: {len(nowhere)} roles are of no training sample, such as {nowhere[0]}; if "
            f"`limit` of the data set leaves them out, say `limited: true` in attacks.{name}"
        )
    counts["cannot be read"] = len(given.unreadable)
    counts["are left out by the limit of the data set"] = len(nowhere)
    yield from (f"roles: {count} pictures {reason}" for reason, count in counts.items() if count)


# -- the triggered test set ---------------------------------------------------------------------


@dataclass(frozen=True)
class MatchedTest:
    """Triggered pictures that count, with their clean ones.

    Attributes:
        given: all that were given.
        rows: those that count, shape (T,).
        keys: T keys: that of the clean test picture, or one that begins with `ALONE`.
        labels_before: T labels; `NOT_KNOWN` where nobody says.
        twins: rows of the clean pictures in the test set, -1 where there is none, shape (T,).
        notes: what a person should know, in words.
    """

    given: GivenTest | None
    rows: Rows
    keys: tuple[str, ...]
    labels_before: Rows
    twins: Rows
    notes: tuple[str, ...]

    def samples(self) -> Iterator[Sample]:
        """The triggered test set, labels as wanted."""
        if self.given is None:
            return
        for row, key in zip(self.rows.tolist(), self.keys, strict=True):
            image = np.ascontiguousarray(self.given.images[row])
            yield Sample(key, image, int(self.given.wanted[row]), f"triggered#{row}")

    def probe_samples(self, test: DataView, probe: Sequence[ProbeImage]) -> Iterator[Sample]:
        """The probe set; rows of its triggered images are places in `rows`."""
        for number, one in enumerate(probe):
            if one.is_triggered and self.given is not None:
                image = self.given.images[self.rows[one.row]]
            else:
                image = test.images[one.row]
            yield Sample(probe_key(number), np.ascontiguousarray(image), 0, "probe")

    def probe_truth(self, test: DataView, probe: Sequence[ProbeImage]) -> ProbeTruth:
        """What the probe set hides."""

        def about(one: ProbeImage) -> tuple[str, int]:
            if one.is_triggered:
                return self.keys[one.row], int(self.labels_before[one.row])
            return test.index.keys[one.row], int(test.labels[one.row])

        pairs = [about(one) for one in probe]
        return ProbeTruth(
            keys=tuple(probe_key(number) for number in range(len(probe))),
            test_keys=tuple(key for key, _ in pairs),
            triggered=np.array([one.is_triggered for one in probe], dtype=np.bool_),
            labels=np.array([label for _, label in pairs], dtype=np.int64),
        )


def match_test(name: str, given: GivenTest | None, test: SampleIndex) -> MatchedTest:
    """Find the clean picture of each triggered one; one that has the wanted label already does not count.

    Raises:
        DataError: a picture without a trigger, or an original label that is not the clean picture's.
    """
    none = np.empty(0, dtype=np.int64)
    if given is None:
        return MatchedTest(None, none, (), none, none, ("no triggered test set: no attack success",))
    twins = _twins(name, given, test)
    before = given.labels_before.copy()
    before[twins >= 0] = test.labels[twins[twins >= 0]]
    rows = np.flatnonzero(before != given.wanted)
    alone = int((twins[rows] < 0).sum())
    keys = tuple(
        test.keys[twin] if twin >= 0 else f"{ALONE}{row:06d}"
        for row, twin in zip(rows.tolist(), twins[rows].tolist(), strict=True)
    )
    notes = [f"{len(rows)} of {len(given.wanted)} triggered test pictures count for attack success"]
    if alone:
        notes.append(f"the clean pictures of {alone} of them are not known: no base rate over those")
    return MatchedTest(given, rows, keys, before[rows], twins[rows], tuple(notes))


def _twins(name: str, given: GivenTest, test: SampleIndex) -> Rows:
    """Row of the clean picture of each, -1 where it is not in the test set; none is taken twice."""
    free: dict[str, list[int]] = {}
    for row in reversed(range(len(test))):
        free.setdefault(test.content[row], []).append(row)
    twins = np.full(len(given.wanted), -1, dtype=np.int64)
    for number, content in enumerate(given.clean):
        if content and content_sha256(given.images[number]) == content:
            raise DataError(
                f"attacks.{name}: triggered picture number {number} is its own clean picture, pixel for pixel"
            )
        if not free.get(content):
            continue
        twins[number] = row = free[content].pop()
        told = int(given.labels_before[number])
        if told not in (NOT_KNOWN, int(test.labels[row])):
            raise DataError(
                f"attacks.{name}: triggered picture number {number} has original label {told}, but its clean "
                f"picture {test.keys[row]} has label {int(test.labels[row])}"
            )
    return twins
