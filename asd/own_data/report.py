"""A survey and its recipe in words, and as facts for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from asd.own_data.recipe import Recipe
from asd.own_data.survey import Survey

_ROWS = 20  # classes that are listed all; of more, the largest and smallest ten
_EXAMPLES = 10


def as_facts(seen: Survey, recipe: Recipe) -> dict[str, Any]:
    """JSON values of both."""
    facts = asdict(seen)
    facts["form"]["source"] = str(seen.form.source)
    facts["held_out"] = {str(share): list(counts) for share, counts in seen.held_out.items()}
    chosen = [asdict(choice) for choice in recipe.choices]
    return {
        "survey": facts,
        "recipe": {"dataset": recipe.dataset, "choices": chosen, "notes": list(recipe.notes)},
    }


def lines(seen: Survey, recipe: Recipe) -> Iterator[str]:
    """What a person reads: counts, sizes, modes, unreadable files, duplicates, choices, notes."""
    yield f"{seen.form.source}: {seen.form.words}; {seen.readable} pictures, {len(seen.class_names)} classes"
    yield from _classes(seen, recipe)
    yield from _pictures(seen)
    yield from _unreadable(seen)
    yield from _duplicates(seen)
    yield "chosen (params.yaml says why):"
    for key in ("image_size", "channels", "held_out", "unreadable"):
        value = recipe.value(f"datasets.{recipe.dataset}.{key}")
        if value is not None:
            yield f"  {key}: {value}"
    shown = ("model.use", "training.precision", "defenses.asd.common.batch", "defenses.asd.common.iterations")
    for key in (*shown, "defenses.asd.common.last_epoch", "defenses.asd.common.w"):
        yield f"  {key}: {recipe.value(key)}"
    yield from (f"note: {note}" for note in recipe.notes)


def _classes(seen: Survey, recipe: Recipe) -> Iterator[str]:
    share = recipe.value(f"datasets.{recipe.dataset}.held_out")
    test = seen.test_counts or seen.held_out[share]
    train = [n - (0 if seen.test_counts else out) for n, out in zip(seen.counts, test, strict=True)]
    rows = sorted(range(len(train)), key=lambda label: (-train[label], label))
    left = 0
    if len(rows) > _ROWS:
        left = len(rows) - _ROWS
        rows = rows[: _ROWS // 2] + rows[-_ROWS // 2 :]
    else:
        rows = sorted(rows)
    wide = max(len("class"), *(len(seen.class_names[label]) for label in rows))
    yield f"  {'class':{wide}}  train   test"
    for i, label in enumerate(rows):
        if left and i == _ROWS // 2:
            yield f"  ... {left} classes between them (--json lists all) ..."
        yield f"  {seen.class_names[label]:{wide}}  {train[label]:5}  {test[label]:5}"


def _pictures(seen: Survey) -> Iterator[str]:
    if seen.sizes is None:
        return
    sizes = seen.sizes
    if sizes.alike:
        yield f"sizes: all {_by(sizes.median)}"
    else:
        least, median, most = sizes.aspect
        yield (
            f"sizes: {_by(sizes.smallest)} to {_by(sizes.largest)}, median {_by(sizes.median)}; "
            f"width / height {least} to {most}, median {median}"
        )
    grey = f"; {seen.grey} of them without colour" if seen.grey else ""
    yield f"modes: {', '.join(f'{mode} {count}' for mode, count in seen.modes.items())}{grey}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _unreadable(seen: Survey) -> Iterator[str]:
    if not seen.unreadable:
        yield "cannot be read: none"
        return
    yield f"cannot be read: {seen.unreadable}; they will be left out, each on record"
    for where, reason in seen.unreadable_places[:_EXAMPLES]:
        yield f"  {where}: {reason}"
    yield from _more(seen.unreadable)


def _duplicates(seen: Survey) -> Iterator[str]:
    found = seen.duplicates
    if not found.copies:
        yield "duplicates: none"
        return
    both = f", {found.in_both_parts} of them in train and test" if found.in_both_parts else ""
    yield f"duplicates: {found.copies} pictures have the pixels of an earlier one{both}"
    yield from _pairs(found.examples, found.copies)
    if found.two_labels:
        yield f"duplicates under two labels: {found.two_labels} (at least one of the two labels is wrong)"
        yield from _pairs(found.two_label_examples, found.two_labels)


def _pairs(pairs: tuple[tuple[str, str], ...], count: int) -> Iterator[str]:
    yield from (f"  {where} = {earlier}" for where, earlier in pairs[:_EXAMPLES])
    yield from _more(count)


def _more(count: int) -> Iterator[str]:
    if count > _EXAMPLES:
        yield f"  ... and {count - _EXAMPLES} more (--json lists up to 1000)"
