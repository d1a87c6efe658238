"""Words of the section `reproduce` stand in Markdown and in legends: plain ones are taken only.

Here and not among the params, whose code is behind every step: what may stand in a table makes no
cell stale.
"""

from __future__ import annotations

import re

from asd.errors import ParamsError
from asd.reproduce_params import ReproduceParams, TargetParams

_PLAIN = re.compile(r"[^\W_][\w ,.:;()/+%&='-]{0,79}")
_WANTED = (
    "begin with a letter or digit, then up to 79 letters, digits, spaces and , . : ; ( ) / + % & = ' - _"
)


def check_words(section: ReproduceParams) -> None:
    """Check the names that the section gives to rows.

    Raises:
        ParamsError: one has signs that mean something in Markdown, or a row has no cell.
    """
    _check(section.preset, "preset")
    _check(section.dataset, "dataset")
    for name in type(section).model_fields:
        target = getattr(section, name)
        if isinstance(target, TargetParams):
            _check_rows(name, target)


def _check_rows(name: str, target: TargetParams) -> None:
    for variant, row in target.cells.items():
        _check(variant, f"{name}.cells")
        if not row:
            raise ParamsError(f"reproduce.{name}.cells.{variant}: no cell; wanted attack: attack/defense")
        for attack in row:
            _check(attack, f"{name}.cells.{variant}")


def _check(words: str, where: str) -> None:
    if not _PLAIN.fullmatch(words):
        raise ParamsError(f"reproduce.{where}: {words!r} cannot stand in a table; {_WANTED}")
