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


@pytest.fixture(params=REGISTRY.names())
def case(request):
    extra = EXTRAS.get(request.param)
    if extra and importlib.util.find_spec(extra) is None:
        pytest.skip(f"{extra} is not installed: pip install 'asd[{extra}]'")
    return Case(request.param, REGISTRY.get(request.param), NEEDED.get(request.param, {}))


@pytest.mark.parametrize("promise", CHECKS, ids=lambda one: one.__name__)
def test_it_keeps_its_promise(case, promise):
    promise(case)
