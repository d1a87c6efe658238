"""What every attack promises; a new file in asd/attacks is tested at once."""

import functools

import pytest

from asd.params import check
from asd.plugin_checks.attack import CHECKS, SMALL, Case
from asd.registry import Registry

REGISTRY = Registry("attacks")


@functools.cache
def case(name):
    attack = REGISTRY.get(name)
    return Case(name, attack, check(attack.Params, SMALL.get(name), name))


@pytest.mark.parametrize("promise", CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", REGISTRY.names())
def test_it_keeps_its_promise(name, promise):
    promise(case(name))
