"""A recipe as the text of a `params.yaml`: every guess with its reason above it."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

import yaml

from asd.own_data.recipe import Choice, Recipe
from asd.sources import SEEDS

FIRST_LINE = "# Made by `asd init --data`"
_WIDTH = 100
_TITLES = {
    "cells": "every combination is run",
    "seeds": "the samples that somebody vouches for",
    "training": "shared by all defenses",
    "model": "the network",
    "datasets": "where the images come from and how they are brought to one form",
    "attacks": "what is planted to test a defense",
    "defenses": "ways of training; asd is that of Gao et al. 2023",
}


def dataset_name(name: str) -> str:
    """A legal name for a data set variant, from the name of a folder or file.

    Lower-case letters, digits and `_`; never what YAML would read as something else than text.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40].strip("_")
    if not plain or plain == SEEDS or yaml.safe_load(plain) != plain or not plain[0].isalpha():
        return f"set_{plain}".rstrip("_")
    return plain


def params_text(recipe: Recipe) -> str:
    """The text of params.yaml; the same recipe gives the same text."""
    lines = [
        f"{FIRST_LINE} around data set {recipe.dataset}. Each guess has its reason above it;",
        "# change what you know better, here or with `asd run -S key=value`.",
    ]
    open_sections: list[str] = []
    for choice in recipe.choices:
        *sections, leaf = choice.key.split(".")
        same = 0
        while same < min(len(sections), len(open_sections)) and sections[same] == open_sections[same]:
            same += 1
        if not same:
            lines.append("")
        for depth, name in enumerate(sections[same:], same):
            title = f"  # {_TITLES[name]}" if depth == 0 and name in _TITLES else ""
            lines.append(f"{'  ' * depth}{name}:{title}")
        open_sections = sections
        lines += _entry("  " * len(sections), leaf, choice)
    return "\n".join(lines) + "\n"


def _entry(indent: str, leaf: str, choice: Choice) -> list[str]:
    why = textwrap.wrap(choice.why, _WIDTH - len(indent) - 2) if choice.why else []
    shown = [f"{indent}# {line}" for line in why]
    # a long list stays in one line: broken, it would be rewritten by the first `asd run -S`
    return [*shown, f"{indent}{leaf}: {_value(choice.value)}"]


def _value(value: Any) -> str:
    """YAML in one line; quoted is what YAML might not read as text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", value)
        and yaml.safe_load(value) == value
    ):
        return value
    return json.dumps(value, ensure_ascii=False)
