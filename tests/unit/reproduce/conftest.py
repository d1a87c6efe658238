"""A workspace with made-up results, for tables of the paper."""

from collections.abc import Callable

import pytest

from asd import store
from asd.layout import Cell
from asd.params import Workspace, load_workspace

SECTION = """
reproduce:
  preset: digits
  dataset: digits
  fig6:
    trials: [0, 1]
    cells:
      No defense: {BadNets: badnets/none}
      Default: {BadNets: badnets/asd}
      Without stage 1: {BadNets: badnets/asd_one}
"""
VARIANT = """
  asd_one:
    use: asd
    common: {}
    stage1: {end: 0}
    stage2: {}
    stage3: {}
"""

Put = Callable[..., None]


@pytest.fixture
def opened(workspace) -> Workspace:
    """Digits with badnets; defenses none, asd and asd_one; two trials; nothing run."""
    file = workspace / "params.yaml"
    text = (
        file.read_text()
        .replace("[none, asd]", "[none, asd, asd_one]")
        .replace("trials: [0] ", "trials: [0, 1] ")
    )
    file.write_text(text.rstrip("\n") + VARIANT + SECTION)
    return load_workspace(workspace)


@pytest.fixture
def put(opened) -> Put:
    """Write the figures of one cell: `put("badnets/asd", 0, acc, asr, base)`."""

    def write(pair, trial, acc, asr, base=0.01, *, poison=1, init=None, stage_1=(0, 100)):
        attack, defense = pair.split("/")
        cell = Cell("digits", attack, defense, trial)
        figures = {"acc": acc, "n_acc": 360, "asr": asr, "n_asr": 325, "asr_base": base}
        figures["per_class_accuracy"] = {str(digit): acc for digit in range(10)}
        store.write_json(opened.layout.metrics(cell), {**figures, "init": init})
        stages = [{"stage": 1, "epoch": 9, "poisoned": stage_1[0], "size": stage_1[1]}]
        pools = {"final": {"size": 718, "poisoned": poison}, "stages": stages, "meta_split": None}
        store.write_json(opened.layout.audit_pools(cell), pools)
        for stage in (1, 2, 3):
            store.write_json(opened.layout.timing(cell, stage), {"seconds": 10.0})

    return write
