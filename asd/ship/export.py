"""Writing a trained cell as a folder that runs without its workspace, checked before it appears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd import store
from asd.errors import ParamsError
from asd.layout import Cell
from asd.params import Workspace
from asd.shards.read import open_view, read_manifest
from asd.ship import onnx_format
from asd.ship.agreement import Agreement, Predictions, compare, held_out_part
from asd.ship.card import render_card, script
from asd.ship.format import (
    CARD_FILE,
    FACTS_FILE,
    ONNX_FILE,
    SCRIPT_FILE,
    WEIGHTS_FILE,
    Architecture,
    ModelFacts,
    OnnxFacts,
    Resize,
)
from asd.ship.load import load_model
from asd.ship.network import ShippedNetwork, rebuild
from asd.ship.predict import ShippedModel
from asd.ship.provenance import code_of, gather, need_results
from asd.training.state import model_facts
from asd.types import Images


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    facts: ModelFacts
    agreement: Agreement


def default_formats() -> tuple[str, ...]:
    """`safetensors`, and `onnx` where the extra for it is installed."""
    return ("safetensors", "onnx") if onnx_format.is_installed() else ("safetensors",)


def export(workspace: Workspace, cell: Cell, folder: Path, form: str | None = None) -> Exported:
    """Write `cell` to a new or empty folder; all of it or nothing.

    Args:
        form: `safetensors` or `onnx`; None: both, where the extra for ONNX is installed.

    Raises:
        ParamsError: the cell is not finished, the folder is not empty, or the extra is missing.
        GateError: a format does not predict what the trained network predicts.
    """
    target = folder.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ParamsError(f"{folder} is there already and is not empty; give a new folder")
    with store.atomic_directory(target) as temporary:
        written = write(workspace, cell, temporary, (form,) if form else default_formats())
    return Exported(target, written.files, written.facts, written.agreement)


def write(workspace: Workspace, cell: Cell, folder: Path, formats: Sequence[str]) -> Exported:
    """Fill an empty folder and check it; see `export`."""
    need_results(workspace, cell)
    if "onnx" in formats:
        onnx_format.need_installed()
    stage = workspace.layout.stage(cell, 3)
    trained, facts = _trained(workspace, cell, stage)
    if "safetensors" in formats:
        (folder / WEIGHTS_FILE).write_bytes((stage / WEIGHTS_FILE).read_bytes())
    if "onnx" in formats:
        opset = onnx_format.write_onnx(folder / ONNX_FILE, trained, facts.image_shape)
        onnx = OnnxFacts(sha256=store.file_sha256(folder / ONNX_FILE), opset=opset)
        facts = facts.model_copy(update={"onnx": onnx})
    store.write_json(folder / FACTS_FILE, facts.model_dump(mode="json"))
    agreement = _check(workspace, cell, folder, trained, facts)
    card = render_card(workspace, cell, facts, gather(workspace, cell), agreement)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    (folder / SCRIPT_FILE).write_text(script(facts, formats), encoding="utf-8")
    return Exported(folder, tuple(sorted(f.name for f in folder.iterdir())), facts, agreement)


def _trained(workspace: Workspace, cell: Cell, stage: Path) -> tuple[ShippedNetwork, ModelFacts]:
    """The network of stage 3 as it is shipped, and what is to be said of it."""
    path = stage / WEIGHTS_FILE
    found = model_facts(stage)
    channels, height, width = found["image_shape"]
    recipe = {**found, "channels": channels, "class_count": len(found["class_names"])}
    network = rebuild(recipe, store.read_tensors(path), path, workspace.layout.plugins)
    facts = ModelFacts(
        cell=str(cell),
        architecture=Architecture(plugin=found["plugin"], params=found["params"]),
        class_names=tuple(found["class_names"]),
        channels=channels,
        image_size=(height, width),
        resize=Resize(fit=_fit(workspace, cell)),
        mean=tuple(found["mean"]),
        std=tuple(found["std"]),
        weights_sha256=store.file_sha256(path),
        data_revision=_revision(workspace, cell),
        code=code_of(workspace, cell),
    )
    return network, facts


def _fit(workspace: Workspace, cell: Cell) -> str:
    """How the data set brings pictures to one size; `stretch` where its pictures had one already."""
    params: Any = workspace.variant("datasets", cell.dataset).params
    return str(getattr(params, "fit", "stretch"))


def _revision(workspace: Workspace, cell: Cell) -> str:
    return read_manifest(workspace.layout.fetched(cell.dataset, "train")).sha256


def _check(
    workspace: Workspace, cell: Cell, folder: Path, trained: ShippedNetwork, facts: ModelFacts
) -> Agreement:
    layout = workspace.layout
    test = open_view(layout.fetched(cell.dataset, "test"), pixel_cache=layout.pixel_cache)
    images: Images = held_out_part(test.images)
    written: dict[str, Predictions] = {}
    if (folder / WEIGHTS_FILE).is_file():
        written["safetensors"] = load_model(folder, plugins=layout.plugins).predict(images)
    if (folder / ONNX_FILE).is_file():
        written["onnx"] = onnx_format.run_onnx(folder / ONNX_FILE, images)
    return compare(ShippedModel(facts, trained).predict(images), written)
