"""Every network keeps the contract of asd/models; the cases come from the folder."""

import importlib.util

import pytest

from asd.plugin_checks.model import CHECKS, Case
from asd.registry import Registry

REGISTRY = Registry("models")
NEEDED = {"timm": {"name": "resnet18"}}
"""Params without a default."""
EXTRAS = {"timm": "timm"}
"""Networks that need a package of an extra."""
HEAVY = {"densenet121": ("gives_one_logit_a_class", "trains_every_weight", "trains_its_last_layers_alone")}
"""Promises that take a large network many seconds to show."""


def cases():
    for name in REGISTRY.names():
        for promise in CHECKS:
            marks = [pytest.mark.slow] if promise.__name__ in HEAVY.get(name, ()) else []
            yield pytest.param(name, promise, id=f"{name}-{promise.__name__}", marks=marks)


@pytest.mark.parametrize(("name", "promise"), list(cases()))
def test_it_keeps_its_promise(name, promise):
    extra = EXTRAS.get(name)
    if extra and importlib.util.find_spec(extra) is None:
        pytest.skip(f"{extra} is not installed: pip install 'asd[{extra}]'")
    promise(Case(name, REGISTRY.get(name), NEEDED.get(name, {})))


def test_every_network_has_promises_that_are_shown_by_default():
    shown = [case.values[0] for case in cases() if not case.marks]
    assert set(shown) == set(REGISTRY.names())
