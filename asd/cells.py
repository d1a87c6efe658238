"""Choosing cells by pattern: `dataset/attack/defense/trial`, globs allowed, a missing tail means all."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from asd.errors import ParamsError, nearest
from asd.layout import Cell

_PARTS = 4


def select_cells(
    cells: Sequence[Cell], patterns: Sequence[str], *, where: str = "params.yaml lists"
) -> list[Cell]:
    """The cells that any of `patterns` names, in their own order; all of them without patterns.

    Args:
        cells: what there is.
        patterns: what is asked for.
        where: where `cells` come from, for the error.

    Raises:
        ParamsError: a pattern has more than four parts or names no cell.
    """
    chosen: set[Cell] = set()
    for pattern in patterns:
        parts = pattern.rstrip("/").split("/")
        if len(parts) > _PARTS:
            raise ParamsError(f"cell {pattern!r} has {len(parts)} parts; write dataset/attack/defense/trial")
        found = {cell for cell in cells if _matches(cell, parts)}
        if not found:
            known = [str(cell) for cell in cells]
            raise ParamsError(
                f"{where} no cell {pattern!r}{nearest(pattern, known)} (cells: {', '.join(known)})"
            )
        chosen |= found
    return [cell for cell in cells if cell in chosen] if patterns else list(cells)


def one_cell(cells: Sequence[Cell], pattern: str) -> Cell:
    """The one cell that `pattern` names.

    Raises:
        ParamsError: it names none, or several.
    """
    found = select_cells(cells, [pattern])
    if len(found) != 1:
        raise ParamsError(
            f"{pattern!r} means {len(found)} cells, wanted one: {', '.join(str(cell) for cell in found)}"
        )
    return found[0]


def _matches(cell: Cell, parts: Sequence[str]) -> bool:
    words = (cell.dataset, cell.attack, cell.defense, str(cell.trial))
    return all(fnmatchcase(word, part) for word, part in zip(words, parts, strict=False))
