"""Shipping and gates make no stage stale."""

from __future__ import annotations

from pathlib import Path

import pytest

import asd
from asd.imports import PackageImports
from asd.steps import STEPS

PACKAGE = Path(asd.__file__).parent


@pytest.mark.parametrize("step", STEPS)
def test_no_step_counts_the_code_that_ships_its_model(step: str) -> None:
    found = PackageImports(PACKAGE).closure(PACKAGE / "steps" / f"{step}.py")
    assert [name for name in found if name.startswith("asd.ship")] == []


def test_no_stage_depends_on_gates() -> None:
    assert "gates" not in (PACKAGE / "presets" / "_template" / "pipeline.yaml").read_text()
