"""Every defense keeps the contract of asd/defenses; the cases come from the folder."""

import pytest

from asd.plugin_checks.defense import CHECKS, Case
from asd.registry import Registry

REGISTRY = Registry("defenses")


@pytest.mark.parametrize("promise", CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", REGISTRY.names())
def test_it_keeps_its_promise(name, promise):
    defense = REGISTRY.get(name)
    promise(Case(name, defense, defense.Params()))
