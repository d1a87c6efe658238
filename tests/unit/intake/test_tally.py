"""Whether a drop waits for a person."""

import pytest

from asd.errors import DataError
from asd.intake.tally import Tally, class_notes
from asd.intake.types import Accepted, Refused
from asd.intake_params import IntakeParams

PARAMS = IntakeParams(most_refused=0.1)


def accepted(label: str = "cat", flags: tuple[str, ...] = ()) -> Accepted:
    return Accepted("x", label, b"", 1, 1, "", "", "", 0, flags)


def tally(*judged: Accepted | Refused) -> Tally:
    found = Tally()
    assert list(found.over(judged)) == list(judged)
    return found


def notes(found: Tally, class_names: tuple[str, ...] | None) -> list[str]:
    return class_notes(found.classes, found.label_flips, class_names)


def test_counts() -> None:
    found = tally(
        accepted(flags=("near-duplicate", "label-flip")),
        accepted("dog"),
        Refused("a", "label-flip", ""),
        Refused("b", "unknown-label", "", "bird"),
    )
    assert (found.files, found.count, found.label_flips) == (4, 2, 2)
    assert found.classes == {"cat": 1, "dog": 1}
    assert found.unknown_classes == {"bird": 1}
    assert found.flags == {"near-duplicate": 1, "label-flip": 1}


def test_a_tenth_may_be_refused_and_duplicates_do_not_count() -> None:
    good = [accepted()] * 9
    assert tally(*good, Refused("a", "empty", "")).why_held(PARAMS) == []
    assert tally(*good, *[Refused("a", "duplicate", "")] * 50).why_held(PARAMS) == []
    held = tally(*good, *[Refused("a", "empty", "")] * 2).why_held(PARAMS)
    assert held == ["2 of 11 files were refused (18.2%), more than intake.most_refused = 10.0%"]


def test_one_unknown_class_or_damaged_archive_is_enough() -> None:
    good = [accepted()] * 100
    (unknown,) = tally(*good, Refused("a", "unknown-label", "", "bird")).why_held(PARAMS)
    assert unknown == "1 files are of classes that are not known: 'bird' (1)"
    (damaged,) = tally(*good, Refused("a", "damaged-archive", "")).why_held(PARAMS)
    assert damaged.startswith("1 x damaged-archive: ")


def test_nothing_passed() -> None:
    assert tally(Refused("a", "duplicate", "")).why_held(PARAMS) == ["none of 1 files passed"]
    assert tally().why_held(PARAMS) == ["none of 0 files passed"]


def test_notes_on_classes() -> None:
    found = tally(*[accepted()] * 21, *[accepted("dog")] * 2, accepted("cow", ("label-flip",)))
    assert notes(found, ("cat", "dog", "cow", "bird")) == [
        "no picture of 'bird'",
        "less than a tenth of the largest class: 'cow', 'dog'",
        "1 pictures came before, or almost, with another label",
    ]
    assert notes(tally(accepted()), None) == []


def test_too_many_classes_are_no_data_set() -> None:
    found = Tally()
    for number in range(10_000):
        found.add(accepted(str(number)))
    with pytest.raises(DataError, match="more than 10000 classes"):
        found.add(accepted("one more"))
