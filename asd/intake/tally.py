"""What became of a whole drop, counted; and whether a person must look at it before it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from asd.errors import DataError
from asd.intake.reasons import REASONS
from asd.intake.types import Accepted, Judged
from asd.intake_params import IntakeParams
from asd.safe_text import safe_text

MOST_CLASSES = 10_000
_ALREADY_HERE = "duplicate"
_SHOWN = 5
_RARE = 10  # times fewer pictures than the largest class


@dataclass
class Tally:
    """Counts of one drop.

    Attributes:
        files: all that was judged.
        count: pictures that passed.
        reasons: code -> refused files.
        flags: flag -> accepted pictures.
        classes: class -> accepted pictures.
        unknown_classes: label as sent that is no class -> files.
    """

    files: int = 0
    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    unknown_classes: Counter[str] = field(default_factory=Counter)

    def add(self, one: Judged) -> None:
        """Count one file.

        Raises:
            DataError: the drop has more classes than any data set.
        """
        self.files += 1
        if isinstance(one, Accepted):
            self.count += 1
            self.flags.update(one.flags)
            self.classes[one.label] += 1
        else:
            self.reasons[one.reason] += 1
            if one.reason == "unknown-label":
                self.unknown_classes[one.label or ""] += 1
        if max(len(self.classes), len(self.unknown_classes)) > MOST_CLASSES:
            raise DataError(
                f"more than {MOST_CLASSES} classes; name the classes in params.yaml (class_names)"
            )

    def over(self, judged: Iterable[Judged]) -> Iterator[Judged]:
        """Pass a stream on and count it."""
        for one in judged:
            self.add(one)
            yield one

    @property
    def label_flips(self) -> int:
        """Pictures seen before under another label, refused or flagged."""
        return self.reasons["label-flip"] + self.flags["label-flip"]

    def why_held(self, params: IntakeParams) -> list[str]:
        """Why a person must look at the drop before it counts; nothing if it need not be looked at.

        A picture that is here already with the same label is refused, but says nothing against a
        drop: sending again what was sent before, with what is new, is ordinary.
        """
        why = []
        bad = self.reasons.total() - self.reasons[_ALREADY_HERE]
        if self.files and bad > params.most_refused * self.files:
            why.append(
                f"{bad} of {self.files} files were refused ({bad / self.files:.1%}), more than "
                f"intake.most_refused = {params.most_refused:.1%}"
            )
        unknown = self.unknown_classes
        if unknown:
            names = ", ".join(f"{safe_text(name)!r} ({n})" for name, n in unknown.most_common(_SHOWN))
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            why.append(f"{unknown.total()} files are of classes that are not known: {names}{more}")
        holding = [code for code in sorted(self.reasons) if REASONS[code].holds and code != "unknown-label"]
        why += [f"{self.reasons[code]} x {code}: {REASONS[code].meaning}" for code in holding]
        if not self.count:
            why.append(f"none of {self.files} files passed")
        return why


def class_notes(classes: Mapping[str, int], label_flips: int, class_names: Sequence[str] | None) -> list[str]:
    """What is odd about the classes of a drop (class -> accepted pictures), in words; no reason to hold."""
    found = []
    missing = [name for name in class_names or () if not classes.get(name)]
    if missing and any(classes.values()):
        found.append(f"no picture of {_listed(missing)}")
    largest = max(classes.values(), default=0)
    rare = [name for name, count in classes.items() if 0 < count * _RARE < largest]
    if rare:
        found.append(f"less than a tenth of the largest class: {_listed(sorted(rare))}")
    if label_flips:
        found.append(f"{label_flips} pictures came before, or almost, with another label")
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(safe_text(name)) for name in names[:_SHOWN]) + more
