"""Loading a shipped model; `asd.load_model` is this function."""

from __future__ import annotations

from pathlib import Path

from asd import store
from asd.errors import DataError
from asd.ship.format import FACTS_FILE, ONNX_FILE, WEIGHTS_FILE, read_facts
from asd.ship.network import rebuild
from asd.ship.predict import ShippedModel


def load_model(folder: str | Path, *, device: str = "cpu", plugins: str | Path | None = None) -> ShippedModel:
    """Open what `asd model export` wrote.

    Args:
        folder: the exported folder.
        device: where to compute, such as `cuda`.
        plugins: a workspace's `plugins` folder, for a network that is a plug-in of its own.

    Raises:
        DataError: a file is missing or damaged.
    """
    place = Path(folder).resolve()  # of a link, such as models/current: all files of one export
    facts = read_facts(place)
    path = place / WEIGHTS_FILE
    if not path.is_file():
        hint = f"; it holds {ONNX_FILE} for onnxruntime" if (place / ONNX_FILE).is_file() else ""
        raise DataError(f"missing file {path}{hint}")
    if store.file_sha256(path) != facts.weights_sha256:
        raise DataError(f"{path}: its SHA-256 differs from {FACTS_FILE}; it was changed or damaged")
    recipe = {
        "plugin": facts.architecture.plugin,
        "params": facts.architecture.params,
        "channels": facts.channels,
        "class_count": len(facts.class_names),
        "mean": facts.mean,
        "std": facts.std,
    }
    network = rebuild(recipe, store.read_tensors(path), path, Path(plugins) if plugins else None)
    return ShippedModel(facts, network.to(device), device)
