"""Networks that attackers train before they poison: resumable epochs, and a classifier of clean data.

Such a network sees the training set before poisoning, as the labels in it say; it is no defense and
knows no truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from asd import params as base
from asd.errors import AsdError, ParamsError
from asd.models import resnet18, small_resnet
from asd.types import DataView

if TYPE_CHECKING:
    import torch

    from asd.attacks import Preparation
    from asd.models._blocks import ImageClassifier
    from asd.training.device import NumericMode
    from asd.training.images import Normalisation

_NETWORKS: dict[str, Any] = {"resnet18": resnet18, "small_resnet": small_resnet}
_MODEL, _MEAN, _STD = "model|", "mean", "std"


class SurrogateParams(base.Params):
    """A classifier that the attacker trains on the clean data first."""

    network: Literal["resnet18", "small_resnet"] = "resnet18"
    network_params: dict[str, Any] = Field({}, description="params of that network")
    epochs: int = Field(200, ge=1)
    batch: int = Field(128, ge=2)
    lr: float = Field(0.1, gt=0, description="peak of the one-cycle schedule of SGD")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    augment: base.AugmentParams = base.AugmentParams()
    threads: int | None = Field(None, ge=1, description="CPU threads; null: all cores")


@dataclass(frozen=True)
class Trained:
    """One network with its optimizer, both changed in place by training."""

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer


def numeric_mode(threads: int | None) -> tuple[NumericMode, torch.device]:
    """How numbers are computed here, and the device; sets torch up for it."""
    from asd.training import device as numeric

    mode = numeric.choose("float32", deterministic=False, threads=threads)
    return mode, numeric.apply(mode)


def train_resumably(
    preparation: Preparation,
    name: str,
    parts: Mapping[str, Trained],
    epochs: int,
    train_epoch: Callable[[int], Mapping[str, float]],
) -> None:
    """Run epochs 0 to `epochs` - 1 with a checkpoint after each; goes on where one was left.

    Args:
        name: of this training, for its checkpoints and its progress.
        parts: what is trained, by name.
        train_epoch: trains one epoch and gives figures to show; must depend on nothing but the
            epoch and the parts.
    """
    from asd import store
    from asd.training.state import TrainingState, load_state, save_state

    folder: Path = preparation.scratch / name
    store.put_back(folder)
    states = {
        part: TrainingState(cast("ImageClassifier", one.network), one.optimizer)
        for part, one in parts.items()
    }
    if folder.is_dir():
        for part, state in states.items():
            load_state(folder / part, state)
    first = min(state.next_epoch for state in states.values())
    if first:
        preparation.reporter.say(f"{name}: resumed after epoch {first} of an interrupted run")
    for epoch in range(first, epochs):
        figures = train_epoch(epoch)
        check_finite(name, epoch, figures)
        with store.atomic_directory(folder) as temporary:
            for part, state in states.items():
                state.next_epoch = epoch + 1
                (temporary / part).mkdir()
                save_state(temporary / part, state, {}, {})
        preparation.reporter.progress(epoch + 1, epochs, f"{name} epoch", **figures)


def check_finite(name: str, epoch: int, figures: Mapping[str, float]) -> None:
    """Refuse a training that went astray, before its checkpoint takes the place of a good one.

    Raises:
        AsdError: names the figure that is not finite.
    """
    for figure, value in figures.items():
        if not math.isfinite(value):
            raise AsdError(
                f"{name}: training broke off: {figure} of epoch {epoch} is {value}; try a lower learning rate"
            )


def check_pad(train: DataView, augment: base.AugmentParams, where: str) -> None:
    """Check that the padding of an attacker's views fits the pictures.

    Raises:
        ParamsError: they are too small to be mirrored so far.
    """
    height, width = train.images.shape[2:]
    if augment.pad_mode == "reflect" and augment.pad >= min(height, width):
        raise ParamsError(f"{where}.pad {augment.pad} with reflect needs larger images than {height}x{width}")


# -- a classifier of clean data ------------------------------------------------------------


def train_surrogate(
    train: DataView, params: SurrogateParams, preparation: Preparation
) -> dict[str, torch.Tensor]:
    """Train a classifier on `train` with labels as given; the tensors that `load_surrogate` reads."""
    import torch

    from asd.rng import torch_generator
    from asd.training.epochs import train_supervised
    from asd.training.images import ImageStore, measure_normalisation
    from asd.training.schedules import one_cycle

    check_pad(train, params.augment, "prepare.surrogate.augment")
    _, device = numeric_mode(params.threads)
    normalisation = measure_normalisation(train.images)
    images = ImageStore(train.images, normalisation, params.augment, device)
    network = build_network(
        params, train.images.shape[1], train.class_count, torch_generator(preparation.seed, "surrogate")
    ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(), lr=params.lr, momentum=params.momentum, weight_decay=params.weight_decay
    )

    def train_epoch(epoch: int) -> dict[str, float]:
        loss = train_supervised(
            network,
            optimizer,
            images,
            train.labels,
            batch=params.batch,
            epoch=epoch,
            random_seed=preparation.seed,
            rate=lambda step, steps: one_cycle(params.lr, epoch * steps + step, params.epochs * steps),
            autocast=_full_precision,
        )
        return {"loss": loss}

    train_resumably(
        preparation, "surrogate", {"network": Trained(network, optimizer)}, params.epochs, train_epoch
    )
    tensors = {_MODEL + name: value.cpu() for name, value in network.state_dict().items()}
    return tensors | {_MEAN: torch.tensor(normalisation.mean), _STD: torch.tensor(normalisation.std)}


def _full_precision() -> Any:
    import contextlib

    return contextlib.nullcontext()


def build_network(
    params: SurrogateParams, channels: int, class_count: int, generator: torch.Generator
) -> ImageClassifier:
    """The classifier that the params name, freshly initialised."""
    module = _NETWORKS[params.network]
    checked = base.check(module.Params, params.network_params, "prepare.surrogate.network_params")
    built: ImageClassifier = module.build(checked, channels, class_count, generator)
    return built


def load_surrogate(
    artifacts: Mapping[str, torch.Tensor], params: SurrogateParams
) -> tuple[ImageClassifier, Normalisation, torch.device]:
    """The trained classifier in evaluation mode, its weights frozen."""
    import torch

    from asd.training.images import Normalisation

    _, device = numeric_mode(params.threads)
    weights = {
        name.removeprefix(_MODEL): value for name, value in artifacts.items() if name.startswith(_MODEL)
    }
    mean, std = artifacts[_MEAN].tolist(), artifacts[_STD].tolist()
    class_count = len(weights["head.bias"])
    network = build_network(params, len(mean), class_count, torch.Generator())
    network.load_state_dict(weights)
    return network.to(device).eval().requires_grad_(False), Normalisation(tuple(mean), tuple(std)), device
