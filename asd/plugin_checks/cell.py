"""A digits cell run through a plug-in, in a workspace of its own that is thrown away."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asd import store
from asd.layout import Cell, Layout
from asd.new_workspace import PRESETS, create_with
from asd.params import load_workspace
from asd.plugin_checks.attack import TRIGGER
from asd.progress import Reporter
from asd.readiness import make_ready
from asd.registry import step_module
from asd.sources import set_source
from asd.steps import DIMENSIONS, STEPS, StepItem

_FEW = {"limit": 400, "limit_test": 200}
_SHORT_ASD: dict[str, dict[str, Any]] = {
    "common": {"w": 5, "batch": 16, "iterations": 12, "last_epoch": 9},
    "stage1": {"end": 3, "n": 2, "t": 1},
    "stage2": {"end": 6},
    "stage3": {"meta": {"min_steps": 0, "batch": 64, "snapshots": 1}},
}
_OF_THE_PIPELINE = (
    *("params.yaml", "dvc.yaml", "dvc.lock", "asd.lock", "data", "plugins", "trigger.png"),
    *("sources", "seeds", "reviews", "sheets", "drops", "inbox", "models"),
)


@dataclass(frozen=True)
class CellRun:
    """What came out: the cell and its `metrics.json`."""

    cell: Cell
    metrics: Mapping[str, Any]

    def line(self) -> str:
        """The figures in a sentence."""
        m = self.metrics
        acc = m["acc"] if m["trusted"] else m["acc_untrusted"]
        text = f"{self.cell}: accuracy {acc:.1%} (n {m['n_acc']})"
        if m["asr"] is None:
            return f"{text}, nothing planted"
        base = "not known" if m["asr_base"] is None else f"{m['asr_base']:.1%}"
        return f"{text}, attack success {m['asr']:.1%} (n {m['n_asr']}, without the trigger {base})"


def run_cell(
    kind: str, name: str, section: Mapping[str, Any], own: Layout | None, source: Path | str | None = None
) -> CellRun:
    """Run all steps of one cell that has the plug-in in it, in this process.

    An attack is planted in all digits and trained on for 12 epochs without a defense, so its attack
    success can be read; for other kinds a few hundred pictures show that the steps go through.

    Args:
        kind: `attack`, `defense`, `semisup`, `model` or `dataset`.
        name: of the plug-in or variant.
        section: its section of `params.yaml`, `use` among it.
        own: the workspace whose plug-ins, and files that params name, are used.
        source: of a data set.

    Raises:
        AsdError: a step failed; says why.
    """
    folder = Path(tempfile.mkdtemp(prefix="asd-check-"))
    try:
        root, cell = _workspace(folder / "w", kind, name, section, own)
        if source is not None:
            set_source(Layout(root), name, source)
        make_ready(root)
        workspace = load_workspace(root)
        for step in STEPS:
            item = StepItem(**{word: getattr(cell, word) for word in DIMENSIONS[step]})
            step_module(step).run(workspace, item, Reporter(step, str(cell), io.StringIO()))
        return CellRun(cell, store.read_json(workspace.layout.metrics(cell)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _workspace(
    root: Path, kind: str, name: str, section: Mapping[str, Any], given_by: Layout | None
) -> tuple[Path, Cell]:
    params = yaml.safe_load((PRESETS / "digits.yaml").read_text())
    names = {"dataset": "digits", "attack": "badnets", "defense": "none"}
    own = dict(section)
    if kind == "semisup":
        names["defense"] = "asd"
        params["defenses"]["asd"] = {"use": "asd", **_SHORT_ASD}
        params["defenses"]["asd"]["common"] = {**_SHORT_ASD["common"], "engine": name, "engine_params": own}
    elif kind == "model":
        params["model"] = {"use": name, **own}
    else:
        names[kind] = name
        params[f"{kind}s"][name] = own
    params["defenses"]["none"]["stage1"]["epochs"] = 12 if kind == "attack" else 4
    if kind != "attack":
        params["datasets"][names["dataset"]].update(_FEW)
    params["cells"] = {f"{word}s": [value] for word, value in names.items()} | {"trials": [0]}

    def bring(layout: Layout) -> None:
        """What params.yaml is about to name."""
        (root / "trigger.png").write_bytes(TRIGGER)
        if given_by is not None:
            _bring(given_by, layout)

    create_with(root, yaml.safe_dump(params, sort_keys=False), before_params=bring)
    return root, Cell(trial=0, **names)


def _bring(given_by: Layout, layout: Layout) -> None:
    """Copy the plug-ins, and link whatever else a person put beside them."""
    if given_by.plugins.is_dir():
        leave = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(given_by.plugins, layout.plugins, ignore=leave)
    for entry in given_by.root.iterdir():
        place = layout.root / entry.name
        if entry.name[0] != "." and entry.name not in _OF_THE_PIPELINE and not place.exists():
            place.symlink_to(entry)
