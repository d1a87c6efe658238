"""What one stage hands to the next: weights, optimizer, next epoch, last pool. Never pickled.

`model.safetensors` holds weights alone and how to rebuild the network; `state.safetensors` and
`state.json` hold the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asd import store
from asd.errors import DataError
from asd.models._blocks import ImageClassifier
from asd.types import Mask

MODEL_FILE, TENSORS_FILE, FACTS_FILE = "model.safetensors", "state.safetensors", "state.json"
_POOL = "pool"


@dataclass
class TrainingState:
    """The moving parts of a run.

    Attributes:
        model: on the training device.
        optimizer: one for the whole run.
        next_epoch: number of finished epochs.
        pool: the clean pool of the last epoch, bool (N,), or None.
        warnings: of the collapse guard so far.
    """

    model: ImageClassifier
    optimizer: torch.optim.Optimizer
    next_epoch: int = 0
    pool: Mask | None = None
    warnings: list[str] = field(default_factory=list)


def save_state(
    folder: Path, state: TrainingState, model_facts: dict[str, Any], run_facts: dict[str, Any]
) -> None:
    """Write the three files into `folder`."""
    store.write_tensors(folder / MODEL_FILE, state.model.state_dict(), model_facts)
    tensors = optimizer_tensors(state)
    if state.pool is not None:
        tensors[_POOL] = torch.from_numpy(state.pool.astype(np.uint8))
    store.write_tensors(folder / TENSORS_FILE, tensors)
    facts = {"next_epoch": state.next_epoch, "warnings": state.warnings, "hand_on": False, **run_facts}
    store.write_json(folder / FACTS_FILE, facts)


def load_state(folder: Path, state: TrainingState) -> dict[str, Any]:
    """Fill `state` (fresh model and optimizer) from `folder`; gives the facts of `state.json`.

    Raises:
        DataError: a file is missing, damaged, or of another network.
    """
    facts: dict[str, Any] = store.read_json(folder / FACTS_FILE)
    weights = store.read_tensors(folder / MODEL_FILE)
    try:
        state.model.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(
            f"{folder / MODEL_FILE} holds another network: {str(error).splitlines()[0]}"
        ) from error
    tensors = store.read_tensors(folder / TENSORS_FILE)
    pool = tensors.pop(_POOL, None)
    state.pool = None if pool is None else pool.numpy().astype(np.bool_)
    state.next_epoch = int(facts["next_epoch"])
    state.warnings = list(facts["warnings"])
    restore_optimizer(state, tensors)
    return facts


def optimizer_tensors(state: TrainingState) -> dict[str, Tensor]:
    """The optimizer's memory by parameter name, such as `stem.0.weight|exp_avg`."""
    names = {id(p): name for name, p in state.model.named_parameters()}
    tensors = {}
    for parameter, memory in state.optimizer.state.items():
        for key, value in memory.items():
            if value is not None:
                tensors[f"{names[id(parameter)]}|{key}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(state: TrainingState, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    parameters = dict(state.model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.partition("|")
        parameter = parameters[owner]
        if value.shape == parameter.shape:
            # The memory layout of the weights, or a resumed step would sum in another order.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        else:
            value = value.to(parameter.device)
        state.optimizer.state[parameter][key] = value


def model_file(place: Path) -> Path:
    """The weights of a stage's folder; a model file stands for itself."""
    return place if place.suffix == ".safetensors" else place / MODEL_FILE


def model_facts(place: Path) -> dict[str, Any]:
    """How to rebuild the network whose weights lie at `place`."""
    from safetensors import safe_open

    path = model_file(place)
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["asd"])
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except Exception as error:
        raise DataError(f"{path} is not one of our models: {error}") from error
    return facts
