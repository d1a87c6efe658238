"""`asd seeds add`: from numbers and names to lines of `seeds/trusted.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from asd.errors import ParamsError
from asd.layout import Layout
from asd.people import checked_name
from asd.seeds.adding import Added, Vote, add, check_class
from asd.seeds.numbers import parse_numbers, pick, read_numbers
from asd.seeds.reviewed import refuse_poisoned
from asd.seeds.trusted import read_trusted, write_trusted
from asd.step_lock import hold_step
from asd.steps import StepItem
from asd.types import SampleIndex


def record(
    layout: Layout,
    dataset: str,
    class_names: Sequence[str],
    index: SampleIndex,
    label: str,
    numbers: Sequence[str],
    keys: Sequence[str],
    by: str,
) -> Added:
    """Write that `by` vouches, today, for pictures of the class `label`.

    Args:
        layout: of the workspace.
        dataset: the data set's variant.
        class_names: its K names.
        index: its training data as fetched.
        label: class name.
        numbers: from the sheet, such as `3,7` or `4-9`.
        keys: samples by key.
        by: who.

    Raises:
        ParamsError: nothing given, or something that cannot be added, such as a picture that was
            confirmed as poisoned; then nothing is written.
        DataError: the file or the review log is damaged, or the data is not what the sheet showed.
    """
    by = checked_name(by)
    check_class(label, class_names)
    pictures: dict[str, str | None] = dict.fromkeys(keys)
    wanted = parse_numbers(numbers)
    if wanted:
        shown = pick(read_numbers(layout.seed_sheets(dataset)), label, wanted)
        pictures |= {one.key: one.content_sha256 for one in shown}
    if not pictures:
        raise ParamsError("which pictures? Give numbers from the sheet, such as 3,7,12, or --key KEY")
    refuse_poisoned(layout, dataset, index, pictures)
    vote = Vote(dataset, label, pictures, by, datetime.now(UTC).date().isoformat())
    with hold_step(layout, "seeds", StepItem("trusted")):  # two people at once must not lose a line
        added = add(read_trusted(layout.trusted_seeds), vote, index, class_names)
        if added.new:
            write_trusted(layout.trusted_seeds, added.rows)
    return added
