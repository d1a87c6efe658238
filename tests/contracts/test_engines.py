"""Every semi-supervised engine keeps the contract of asd/semisup; the cases come from the folder."""

import pytest

from asd.plugin_checks.semisup import CHECKS, Case
from asd.registry import Registry

REGISTRY = Registry("semisup")


@pytest.mark.parametrize("promise", CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", REGISTRY.names())
def test_it_keeps_its_promise(name, promise):
    engine = REGISTRY.get(name)
    promise(Case(name, engine, engine.Params()))
