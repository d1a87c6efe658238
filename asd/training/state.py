"""What one stage hands to the next: weights, optimizer, next epoch, last pool. Never pickled.

`model.safetensors` holds weights alone and how to rebuild the network: those to predict with, which
are the running average where there is one. `state.safetensors` and `state.json` hold the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from asd import store
from asd.errors import DataError
from asd.models._blocks import ImageClassifier
from asd.params import Variant
from asd.training.device import NumericMode
from asd.training.images import Normalisation
from asd.types import DataView, Mask

MODEL_FILE, TENSORS_FILE, FACTS_FILE = "model.safetensors", "state.safetensors", "state.json"
_POOL = "pool"
_AUXILIARY, _TRAINED, _AVERAGED = "auxiliary", "trained", "averaged"
"""Owners of tensors beside the optimizer's memory: the auxiliary module, the weights that are trained
while `model.safetensors` has their average, and how many were averaged."""


@dataclass(frozen=True)
class Extras:
    """What a defense trains beside the network.

    Attributes:
        auxiliary: makes a module from (feature size D, number of classes K, generator), or None.
        ema: decay of a running average of weights and statistics, 0 to 1; None: no average.
    """

    auxiliary: Callable[[int, int, torch.Generator], nn.Module | None] | None = None
    ema: float | None = None


NOTHING = Extras()


@dataclass
class TrainingState:
    """The moving parts of a run.

    Attributes:
        model: on the training device.
        optimizer: one for the whole run.
        next_epoch: number of finished epochs.
        pool: the clean pool of the last epoch, bool (N,), or None.
        warnings: of the collapse guard so far.
        auxiliary: what the engine trains or counts beside the network; never shipped.
        average: running average of the network.
    """

    model: ImageClassifier
    optimizer: torch.optim.Optimizer
    next_epoch: int = 0
    pool: Mask | None = None
    warnings: list[str] = field(default_factory=list)
    auxiliary: nn.Module | None = None
    average: AveragedModel | None = None

    @property
    def evaluated(self) -> ImageClassifier:
        """The network to predict with: the average where there is one."""
        return self.model if self.average is None else cast("ImageClassifier", self.average.module)

    def train(self) -> None:
        """Put what is trained into training mode."""
        self.model.train()
        if self.auxiliary is not None:
            self.auxiliary.train()


def fresh_state(
    network: ImageClassifier,
    optimizer: torch.optim.Optimizer,
    extras: Extras,
    class_count: int,
    generator: torch.Generator,
) -> TrainingState:
    """The state of a run that begins; weights of an auxiliary module join the optimizer.

    Args:
        network: on the training device.
        generator: decides the weights of the auxiliary module.
    """
    state = TrainingState(network, optimizer)
    if extras.auxiliary is not None:
        state.auxiliary = extras.auxiliary(network.feature_size, class_count, generator)
    if state.auxiliary is not None:
        state.auxiliary.to(network.head.weight.device)
        if weights := list(state.auxiliary.parameters()):
            optimizer.add_param_group({"params": weights})
    if extras.ema is not None:
        average = get_ema_multi_avg_fn(extras.ema)  # type: ignore[no-untyped-call]
        state.average = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    return state


def save_state(
    folder: Path, state: TrainingState, model_facts: dict[str, Any], run_facts: dict[str, Any]
) -> None:
    """Write the three files into `folder`."""
    store.write_tensors(folder / MODEL_FILE, state.evaluated.state_dict(), model_facts)
    tensors = optimizer_tensors(state)
    if state.auxiliary is not None:
        tensors |= _of(_AUXILIARY, state.auxiliary.state_dict())
    if state.average is not None:
        tensors |= _of(_TRAINED, state.model.state_dict())
        tensors |= _of(_AVERAGED, {"count": state.average.n_averaged})
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
    tensors = store.read_tensors(folder / TENSORS_FILE)
    trained, averaged = _take(tensors, _TRAINED), _take(tensors, _AVERAGED)
    _fill(state.evaluated, store.read_tensors(folder / MODEL_FILE), folder / MODEL_FILE)
    if state.average is not None:
        _fill(state.model, trained, folder / TENSORS_FILE)
        state.average.n_averaged.copy_(averaged["count"])
    auxiliary = _take(tensors, _AUXILIARY)
    if state.auxiliary is not None:
        _fill(state.auxiliary, auxiliary, folder / TENSORS_FILE)
    pool = tensors.pop(_POOL, None)
    state.pool = None if pool is None else pool.numpy().astype(np.bool_)
    state.next_epoch = int(facts["next_epoch"])
    state.warnings = list(facts["warnings"])
    restore_optimizer(state, tensors)
    return facts


def _fill(module: nn.Module, tensors: dict[str, Tensor], file: Path) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"{file} holds another network: {str(error).splitlines()[0]}") from error


def _of(owner: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{owner}|{name}": value for name, value in tensors.items()}


def _take(tensors: dict[str, Tensor], owner: str) -> dict[str, Tensor]:
    """Remove what belongs to `owner` and give it."""
    names = [name for name in tensors if name.startswith(f"{owner}|")]
    return {name.partition("|")[2]: tensors.pop(name) for name in names}


def _parameters(state: TrainingState) -> dict[str, nn.Parameter]:
    beside = {} if state.auxiliary is None else dict(state.auxiliary.named_parameters(prefix=_AUXILIARY))
    return dict(state.model.named_parameters()) | beside


def optimizer_tensors(state: TrainingState) -> dict[str, Tensor]:
    """The optimizer's memory by parameter name, such as `stem.0.weight|exp_avg`."""
    names = {id(p): name for name, p in _parameters(state).items()}
    tensors = {}
    for parameter, memory in state.optimizer.state.items():
        for key, value in memory.items():
            if value is not None:
                tensors[f"{names[id(parameter)]}|{key}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(state: TrainingState, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    parameters = _parameters(state)
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


def facts_of(
    model: Variant, view: DataView, normalisation: Normalisation, mode: NumericMode
) -> dict[str, Any]:
    """What `model.safetensors` says of itself: all that `load_classifier` needs."""
    return {
        "plugin": model.plugin,
        "params": model.params.model_dump(mode="json"),
        "class_names": list(view.class_names),
        "image_shape": list(view.images.shape[1:]),
        "mean": list(normalisation.mean),
        "std": list(normalisation.std),
        "precision": mode.precision,
    }


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
