"""Choosing cells by pattern."""

import pytest

from asd.cells import select_cells
from asd.errors import ParamsError
from asd.layout import Cell

CELLS = [
    Cell(dataset, attack, defense, trial)
    for dataset in ("cifar10", "digits")
    for attack in ("badnets", "none")
    for defense in ("none", "asd")
    for trial in (0, 1)
]


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ([], 16),
        (["digits"], 8),
        (["digits/"], 8),
        (["cifar10/*/asd"], 4),
        (["cifar10/*/asd/1"], 2),
        (["*/bad*/asd/0", "digits/badnets/asd/0"], 2),
        (["*/none/*/[01]"], 8),
    ],
)
def test_a_pattern_names_its_cells(patterns: list[str], wanted: int) -> None:
    assert len(select_cells(CELLS, patterns)) == wanted


def test_chosen_cells_keep_the_order_of_the_params_and_come_once() -> None:
    chosen = select_cells(CELLS, ["digits/none/asd/1", "cifar10/none/asd/1", "*/none/asd/1"])
    assert [str(cell) for cell in chosen] == ["cifar10/none/asd/1", "digits/none/asd/1"]


def test_a_pattern_without_a_cell_names_the_nearest() -> None:
    with pytest.raises(
        ParamsError, match=r"no cell 'digits/badnet/asd/0'; did you mean 'digits/badnets/asd/0'"
    ):
        select_cells(CELLS, ["digits/badnet/asd/0"])


def test_a_pattern_with_five_parts_is_refused() -> None:
    with pytest.raises(ParamsError, match="has 5 parts"):
        select_cells(CELLS, ["a/b/c/d/e"])
