"""From a survey to params, each with its reason. Pure: the same survey and machine, the same recipe.

What is measured are the presets digits (1,437 images of 16x16, two CPU cores), cifar10-cpu (10,000
of 32x32) and the paper's cifar10 (50,000, a GPU); the rules here meet the first two at those sizes
and go on in between by the steps, shares and floors that they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asd.errors import DataError, ParamsError
from asd.own_data.classes import check_counts
from asd.own_data.defense import defense_choices, undefended_choices
from asd.own_data.facts import Facts, Machine
from asd.own_data.sections import SIDE, dataset_choices, model_choices, training_choices
from asd.own_data.survey import TINY, Survey

LEAST_TRAINING_IMAGES = 50
_LEAST_16_BIT = 8192  # below, fewer than 32 of 256 levels are left
_LEAST_SIDE = 16


@dataclass(frozen=True)
class Choice:
    """One param: its dotted key in params.yaml, its value, and why (empty: nothing was guessed)."""

    key: str
    value: Any
    why: str = ""


@dataclass(frozen=True)
class Recipe:
    """All params of a workspace around somebody's data."""

    dataset: str
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]

    def value(self, key: str) -> Any:
        """The value of one key, None if the recipe leaves it at its default."""
        return next((choice.value for choice in self.choices if choice.key == key), None)


def make_recipe(survey: Survey, dataset: str, machine: Machine, image_size: int | None = None) -> Recipe:
    """Params for the data of `survey` as data set `dataset`.

    Args:
        image_size: side in pixels that a person asked for; None: chosen here.

    Raises:
        DataError: data that cannot be trained on: says what was got and what was wanted.
        ParamsError: an image size out of bounds.
    """
    facts = _facts(survey, machine, image_size)
    choices = [
        Choice("cells.datasets", [dataset]),
        Choice("cells.attacks", ["none"], "nothing is planted: these are data to be cleaned, not a test"),
        Choice("cells.defenses", ["asd"], "[none, asd] trains an undefended twin, too, to compare with"),
        Choice("cells.trials", [0], "one run; [0, 1, 2] repeats it with other random numbers"),
        Choice("random_seed", 100),
        Choice("poison_seed", 0),
        Choice(
            "seeds.use", "keys", "nobody vouches for these labels, so you must for a few: `asd seeds sheet`"
        ),
        Choice("seeds.keys_file", "trusted.csv"),
        *(Choice(f"training.{c[0]}", *c[1:]) for c in training_choices(facts)),
        *(Choice(f"model.{c[0]}", *c[1:]) for c in model_choices(facts)),
        *(Choice(f"datasets.{dataset}.{c[0]}", *c[1:]) for c in dataset_choices(survey, facts)),
        Choice("attacks.none.use", "none"),
        Choice("attacks.none.prepare", {}),
        *(Choice(f"defenses.none.{c[0]}", *c[1:]) for c in undefended_choices(facts)),
        *(Choice(f"defenses.asd.{c[0]}", *c[1:]) for c in defense_choices(facts)),
    ]
    return Recipe(dataset, tuple(choices), _notes(survey, facts))


# -- what the data allow -----------------------------------------------------------------------


def _facts(survey: Survey, machine: Machine, image_size: int | None) -> Facts:
    if image_size is not None and not TINY <= image_size <= 1024:
        raise ParamsError(f"--image-size must be {TINY} to 1024, got {image_size}")
    median = _least_side(survey)
    share = None if survey.form.has_test else (0.2 if sum(survey.counts) < 20_000 else 0.1)
    taken = survey.held_out[share] if share else (0,) * len(survey.counts)
    counts = tuple(n - out for n, out in zip(survey.counts, taken, strict=True))
    check_counts(survey.class_names, counts, "training images" + (" (after the test part)" if share else ""))
    if sum(counts) < LEAST_TRAINING_IMAGES:
        raise DataError(f"{sum(counts)} training images; wanted at least {LEAST_TRAINING_IMAGES}")
    tested = survey.test_counts or taken
    if not sum(tested):
        raise DataError("the test part has no picture that can be read")
    return Facts(
        counts=counts,
        test_count=sum(tested),
        held_out=share,
        image_size=image_size or _side(median, machine),
        asked=image_size is not None,
        grey=survey.grey == survey.readable,
        machine=machine,
    )


def _least_side(survey: Survey) -> int:
    """The shorter of the median sides; refuses pictures that hold nothing."""
    if survey.sizes is None:
        where, reason = survey.unreadable_places[0] if survey.unreadable_places else ("", "no picture")
        raise DataError(f"none of {survey.unreadable} pictures can be read; of the first, {where}: {reason}")
    if min(survey.sizes.median) < TINY:
        wide, high = survey.sizes.median
        raise DataError(
            f"the pictures are {wide}x{high} (median); wanted at least {TINY}x{TINY}: are these thumbnails "
            "or masks instead of the pictures?"
        )
    if survey.brightest is not None and survey.brightest < _LEAST_16_BIT:
        raise DataError(
            f"the 16-bit pictures use only the values 0 to {survey.brightest} of 65535, and 8 bits of them "
            "would be almost black; stretch them to the whole range first"
        )
    return min(survey.sizes.median)


def _side(median: int, machine: Machine) -> int:
    if machine.cuda and median >= 2 * SIDE:
        return 2 * SIDE
    return min(SIDE, max(_LEAST_SIDE, median))


def _notes(survey: Survey, facts: Facts) -> tuple[str, ...]:
    notes = list(survey.notes)
    smallest, largest = min(facts.counts), max(facts.counts)
    if largest > 10 * smallest:
        name = survey.class_names[facts.counts.index(smallest)]
        notes.append(
            f"strong imbalance: {largest} training images in the largest class, {smallest} in {name!r}; "
            "floors and growth of the clean pool follow the smallest class, and its accuracy will be low"
        )
    if facts.training < 1000:
        notes.append(
            f"{facts.training} training images are few; expect a weak model, and look at the intervals"
        )
    if len(facts.counts) > 200:
        notes.append(f"{len(facts.counts)} classes: nobody has measured this recipe with so many")
    if survey.sizes and survey.sizes.tiny:
        notes.append(f"{survey.sizes.tiny} pictures have a side shorter than {TINY} pixels and are stretched")
    if survey.brightest is not None:
        notes.append(
            f"16-bit pictures: the upper 8 bits are used (the brightest value is {survey.brightest})"
        )
    alpha = [mode for mode in ("RGBA", "LA", "PA") if mode in survey.modes]
    if alpha:
        notes.append(f"transparency of {', '.join(alpha)} pictures is dropped; the colours below it are used")
    notes.append(
        "pictures are not mirrored; where left and right are alike (no text, no signs) mirroring makes the "
        "defense much stronger: `asd run -S training.augment.flip=true`"
    )
    if survey.duplicates.copies:
        notes.append("duplicates stay in the data; nothing is dropped without your word")
    return tuple(notes)
