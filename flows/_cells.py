"""Cells as text and as the stage of `dvc.yaml` that ends them."""

from __future__ import annotations

from asd.errors import ParamsError
from asd.layout import Cell

LAST_STEP = "audit"


def parse_cell(text: str) -> Cell:
    """The cell `dataset/attack/defense/trial`.

    Raises:
        ParamsError: not four parts, or the trial is not a number.
    """
    words = text.split("/")
    if len(words) != 4 or not words[3].isdecimal():
        raise ParamsError(f"a cell is dataset/attack/defense/trial, got {text!r}")
    return Cell(words[0], words[1], words[2], int(words[3]))


def target(cell: Cell) -> str:
    """The stage whose upstream is the whole cell."""
    return f"{LAST_STEP}@{cell.dataset}-{cell.attack}-{cell.defense}-{cell.trial}"
