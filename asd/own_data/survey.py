"""One look at every picture of some data: counts, sizes, colours, what cannot be read, duplicates.

Pictures are read one at a time; kept are a hash, a class and a place of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from asd.datasets._base import Split, is_held_out
from asd.datasets._decode import PictureFacts, UnreadableError, inspect_picture
from asd.datasets._pictures import Encoded, PictureTable
from asd.own_data.classes import check_classes
from asd.own_data.forms import Form
from asd.progress import Reporter
from asd.registry import Registry

HELD_OUT = (0.1, 0.2)
"""Shares that a recipe may take as test part; the survey counts what each would give."""
TINY = 8
"""A picture with a side shorter than this holds next to nothing."""
_KEPT = 1000  # places of unreadable pictures and of duplicates that are kept; all are counted


@dataclass(frozen=True)
class Sizes:
    """Sides in pixels (width, height) and aspect (width / height), upright."""

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    aspect: tuple[float, float, float]
    alike: bool
    tiny: int


@dataclass(frozen=True)
class Duplicates:
    """Pictures with the same pixels as an earlier one; `examples` are (place, earlier place)."""

    copies: int = 0
    two_labels: int = 0
    in_both_parts: int = 0
    examples: tuple[tuple[str, str], ...] = ()
    two_label_examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Survey:
    """What the pictures are.

    Attributes:
        form: how they lie.
        class_names: K names in the order of the labels.
        counts: readable pictures of each class, without those of a test part.
        test_counts: those of the test part; None without one.
        held_out: share -> how many of each class it would take as test part.
        sizes: None if nothing can be read.
        modes: Pillow's colour mode -> number.
        grey: pictures without colour, however they are stored.
        brightest: highest value of all 16-bit pictures; None without any.
        unreadable: number of pictures that cannot be read.
        unreadable_places: (place, reason) of the first thousand of them.
    """

    form: Form
    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    test_counts: tuple[int, ...] | None
    held_out: dict[float, tuple[int, ...]]
    sizes: Sizes | None
    modes: dict[str, int]
    grey: int
    brightest: int | None
    unreadable: int
    unreadable_places: tuple[tuple[str, str], ...]
    duplicates: Duplicates
    notes: tuple[str, ...] = ()

    @property
    def readable(self) -> int:
        """Pictures that can be read, the test part included."""
        return sum(self.modes.values())


def survey(form: Form, reporter: Reporter) -> Survey:
    """Read every picture of `form`.

    Raises:
        DataError: folders, tables or tars that are not in order, or classes that cannot be trained on.
    """
    module: ModuleType = Registry("datasets").get(form.plugin)
    settings: dict[str, Any] = {**form.params, "unreadable": "leave_out"}
    if not form.has_test:
        settings["held_out"] = HELD_OUT[-1]
    params = module.Params(**settings)
    parts: tuple[Split, ...] = ("train", "test") if form.has_test else ("train",)
    tables: dict[Split, PictureTable] = {part: module.open_table(params, form.source, part) for part in parts}
    names = tables["train"].class_names
    check_classes(names, np.bincount(tables["train"].labels, minlength=len(names)).tolist())
    look = _Look(names, sum(len(table) + len(table.strays) for table in tables.values()), reporter)
    for part, table in tables.items():
        for stray in table.strays:
            look.leave_out(stray, "lies in no class folder")
        for encoded in table.read(None):
            look.add(encoded, int(table.labels[encoded.row]), part, counted=not form.has_test)
    return look.result(form, [note for table in tables.values() for note in table.notes])


@dataclass
class _Look:
    """Collects what is seen."""

    class_names: tuple[str, ...]
    total: int
    reporter: Reporter
    done: int = 0
    widths: list[int] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    modes: Counter[str] = field(default_factory=Counter)
    grey: int = 0
    brightest: int | None = None
    counts: Counter[tuple[Split, int]] = field(default_factory=Counter)
    taken: Counter[tuple[float, int]] = field(default_factory=Counter)
    unreadable: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)
    first: dict[bytes, tuple[str, int, Split]] = field(default_factory=dict)
    doubles: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {"copies": [], "two_labels": []}
    )

    def add(self, encoded: Encoded, label: int, part: Split, *, counted: bool) -> None:
        """Look at one picture; `counted`: note in which test part it would fall."""
        try:
            if isinstance(encoded.data, UnreadableError):
                raise encoded.data
            facts = inspect_picture(encoded.data, encoded.where)
        except UnreadableError as error:
            self.leave_out(encoded.where, error.reason)
            return
        self.counts[part, label] += 1
        for share in HELD_OUT if counted else ():
            self.taken[share, label] += is_held_out(encoded.data, share)
        self._note(facts)
        self._compare(facts, encoded.where, label, part)
        self._step()

    def leave_out(self, where: str, reason: str) -> None:
        """Note something that is no picture."""
        self.unreadable += 1
        if len(self.places) < _KEPT:
            self.places.append((where, reason))
        self._step()

    def _step(self) -> None:
        self.done += 1
        if self.done % max(1, self.total // 10) == 0:
            self.reporter.progress(self.done, self.total, "pictures")

    def _note(self, facts: PictureFacts) -> None:
        self.widths.append(facts.width)
        self.heights.append(facts.height)
        self.modes[facts.mode] += 1
        self.grey += facts.grey
        if facts.brightest is not None:
            self.brightest = max(self.brightest or 0, facts.brightest)

    def _compare(self, facts: PictureFacts, where: str, label: int, part: Split) -> None:
        content = bytes.fromhex(facts.content_sha256)
        earlier = self.first.setdefault(content, (where, label, part))
        if earlier[0] == where:
            return
        self.doubles["copies"] += 1
        self.doubles["in_both_parts"] += earlier[2] != part
        self._example("copies", where, earlier[0])
        if earlier[1] != label:
            self.doubles["two_labels"] += 1
            self._example("two_labels", where, earlier[0])

    def _example(self, kind: str, where: str, earlier: str) -> None:
        if len(self.examples[kind]) < _KEPT:
            self.examples[kind].append((where, earlier))

    def result(self, form: Form, notes: Sequence[str]) -> Survey:
        """What was seen of `form`."""
        labels = range(len(self.class_names))
        test = tuple(self.counts["test", label] for label in labels) if form.has_test else None
        shares = () if form.has_test else HELD_OUT
        return Survey(
            form=form,
            class_names=self.class_names,
            counts=tuple(self.counts["train", label] for label in labels),
            test_counts=test,
            held_out={share: tuple(self.taken[share, label] for label in labels) for share in shares},
            sizes=_sizes(self.widths, self.heights) if self.widths else None,
            modes=dict(sorted(self.modes.items())),
            grey=self.grey,
            brightest=self.brightest,
            unreadable=self.unreadable,
            unreadable_places=tuple(self.places),
            duplicates=Duplicates(
                self.doubles["copies"],
                self.doubles["two_labels"],
                self.doubles["in_both_parts"],
                tuple(self.examples["copies"]),
                tuple(self.examples["two_labels"]),
            ),
            notes=(*form.notes, *notes),
        )


def _sizes(widths: list[int], heights: list[int]) -> Sizes:
    wide, high = np.array(widths), np.array(heights)
    area, aspect = wide * high, wide / high
    small, large = int(area.argmin()), int(area.argmax())
    return Sizes(
        smallest=(widths[small], heights[small]),
        median=(int(np.median(wide)), int(np.median(high))),
        largest=(widths[large], heights[large]),
        aspect=(
            round(float(aspect.min()), 2),
            round(float(np.median(aspect)), 2),
            round(float(aspect.max()), 2),
        ),
        alike=len(set(zip(widths, heights, strict=True))) == 1,
        tiny=int((np.minimum(wide, high) < TINY).sum()),
    )
