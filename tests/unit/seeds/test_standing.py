"""Have and need per class, and each thing that can be wrong with the lines."""

from dataclasses import replace

import numpy as np
import pytest

from asd.params import load_workspace
from asd.params_file import set_params
from asd.seeds.standing import seeds_needed, standing, unused
from asd.seeds.trusted import Vouched
from asd.types import SampleIndex

NAMES = ("cat", "dog")
CONTENT = tuple(f"{i:064x}" for i in range(6))
INDEX = SampleIndex(tuple(f"k{i}" for i in range(6)), np.array([0, 1, 0, 1, 0, 1]), CONTENT, ("s",) * 6)
LINES = [Vouched("pets", NAMES[i % 2], f"k{i}", CONTENT[i], "Ada", "2026-01-31") for i in range(4)]


def look(rows, need=2):
    return standing(rows, "pets", INDEX, NAMES, need)


def test_enough_seeds_of_every_class_are_nothing_to_say():
    found = look(LINES)

    assert (found.have, found.need, found.problems, found.warnings) == ({"cat": 2, "dog": 2}, 2, (), ())


def test_fewer_than_needed_but_one_is_a_warning():
    found = look(LINES[:3])

    assert found.problems == ()
    assert found.warnings == ("fewer than 2 seeds for 'dog' (1); add more with `asd seeds add`",)


def test_lines_of_other_data_sets_do_not_count_and_are_mentioned_when_there_are_no_own():
    found = look([replace(row, dataset="zoo") for row in LINES])

    assert found.have == {"cat": 0, "dog": 0}
    assert found.warnings == ("seeds/trusted.csv holds seeds of zoo only, not of pets",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*LINES, replace(LINES[0], key="gone")], "gone of seeds/trusted.csv: no such sample in the data"),
        (
            [replace(LINES[0], content_sha256="f" * 64), *LINES[1:]],
            "k0: not the picture that was vouched for",
        ),
        (
            [*LINES, Vouched("pets", "cat", "k5", CONTENT[5], "Ada", "2026-01-31")],
            "k5 is vouched for as 'cat' but labelled 'dog' in the data",
        ),
        ([*LINES, replace(LINES[2], key="k4")], "k2 and k4 are the same picture"),
        (
            [LINES[0]],
            "no seed for class 'dog': look at `asd seeds sheet`, then `asd seeds add --class dog NUM",
        ),
        ([], "no seed for classes 'cat', 'dog'"),
    ],
)
def test_each_mistake_is_a_problem_that_says_what_to_do(rows, message):
    found = look(rows)

    assert any(problem.startswith(message) for problem in found.problems), found.problems
    assert all("`asd " in problem or "seeds/trusted.csv" in problem for problem in found.problems)


def test_the_need_is_the_largest_w_of_the_listed_defenses(workspace):
    set_params(
        workspace, ["defenses.wide.use=asd", "defenses.wide.common.w=17", "cells.defenses=[none, wide, asd]"]
    )
    assert seeds_needed(load_workspace(workspace)) == 17
    set_params(workspace, ["cells.defenses=[none]"])
    assert seeds_needed(load_workspace(workspace)) == 1


def test_the_hint_names_the_params_that_keep_the_seeds_from_being_used(workspace):
    set_params(workspace, ["seeds.keys_file=mine.txt"])
    assert unused(load_workspace(workspace)) == "asd run -S seeds.use=keys -S seeds.keys_file=trusted.csv"
    set_params(workspace, ["seeds.keys_file=trusted.csv", "seeds.use=keys"])
    assert unused(load_workspace(workspace)) is None
