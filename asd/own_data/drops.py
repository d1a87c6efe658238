"""A recipe for data that come in drops, from the first of them."""

from __future__ import annotations

from dataclasses import replace

from asd.errors import ParamsError
from asd.own_data.forms import Form
from asd.own_data.recipe import Choice, Recipe

DROPS = "drops"
"""The name of the data set and of its plug-in."""

_KEPT = ("class_names", "image_size", "channels", "fit", "trusted", "held_out")


def refuse_parts(form: Form) -> None:
    """A drop has no test part.

    Raises:
        ParamsError: there is one; says what to do with it.
    """
    if form.has_test:
        raise ParamsError(
            f"--as-drops: {form.source} has a test part, but a drop brings no test set: give the training "
            f"part alone, and later `asd source set {DROPS}.test PATH` for the other"
        )


def of_drops(recipe: Recipe) -> Recipe:
    """The same choices for the union of drops: form and classes as found, no labels file, no source."""
    section = f"datasets.{DROPS}."
    choices = []
    for choice in recipe.choices:
        name = choice.key.removeprefix(section)
        if not choice.key.startswith(section) or name in _KEPT:
            choices.append(choice)
        elif name == "use":
            choices.append(Choice(choice.key, DROPS, "the union of all accepted drops: `asd drop add`"))
    return replace(recipe, choices=tuple(choices))
