"""What every attack promises; a new file in asd/attacks is tested at once."""

import functools

import pytest

from asd.attacks import GivenAttack
from asd.params import check
from asd.plugin_checks import given
from asd.plugin_checks.attack import CHECKS, SMALL, Case
from asd.registry import Registry

REGISTRY = Registry("attacks")
GIVEN = [name for name in REGISTRY.names() if isinstance(REGISTRY.get(name), GivenAttack)]


@functools.cache
def case(name):
    attack = REGISTRY.get(name)
    return Case(name, attack, check(attack.Params, SMALL.get(name), name))


@pytest.mark.parametrize("promise", CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", [name for name in REGISTRY.names() if name not in GIVEN])
def test_it_keeps_its_promise(name, promise):
    promise(case(name))


@pytest.mark.parametrize("promise", given.CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", GIVEN)
def test_an_attack_that_is_in_the_data_keeps_its_promise(name, promise):
    promise(given.Case(name, REGISTRY.get(name)))


def test_both_kinds_are_there():
    assert GIVEN == ["imported"]
