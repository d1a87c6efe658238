"""Semi-supervised engines. A plug-in offers `Params`, `VIEWS` (or `views`) and `loss(...)`.

An engine sees a labelled batch from the clean pool and views of an unlabelled batch from the
polluted pool, and returns one scalar to minimise. It may offer

- `views(params) -> Views`, in place of `VIEWS`: strong views, or more unlabelled images;
- `auxiliary(params, feature_size, class_count, generator) -> nn.Module | None`: what it trains
  or counts beside the network. `loss` then gets it as a fifth argument. Its weights are trained,
  it is part of every checkpoint, and it is never shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from asd.training.strong import StrongParams


@dataclass(frozen=True)
class Views:
    """What an engine wants to see of the unlabelled images.

    Attributes:
        weak: cropped and flipped views of each image.
        strong: strongly augmented views of each image; `augment` says how.
        ratio: unlabelled images for one labelled image.
    """

    weak: int = 1
    strong: int = 0
    ratio: int = 1
    augment: StrongParams | None = None

    @property
    def images(self) -> int:
        """Images a step for one labelled image, that one included."""
        return 1 + self.ratio * (self.weak + self.strong)


@dataclass(frozen=True)
class SemiBatch:
    """One step's input.

    Attributes:
        labelled: normalised float images of the clean pool, shape (B, C, H, W).
        labels: their labels as given, shape (B,).
        unlabelled: independent weak augmentations of the same ratio x B polluted-pool images.
        class_count: K.
        progress: share of the whole run that is done, 0 to 1; ramps depend on it.
        strong: independent strong augmentations of the same images.
    """

    labelled: Tensor
    labels: Tensor
    unlabelled: tuple[Tensor, ...]
    class_count: int
    progress: float
    strong: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class StepRandomness:
    """Generators of one epoch and the mixed-precision context to open around a forward pass."""

    numpy: np.random.Generator
    torch: torch.Generator
    autocast: Callable[[], AbstractContextManager[Any]]


class Engine(Protocol):
    """What a semi-supervised plug-in (a module) offers."""

    Params: type[Any]
    VIEWS: int

    @staticmethod
    def loss(model: nn.Module, batch: SemiBatch, params: Any, randomness: StepRandomness) -> Tensor:
        """The loss to minimise; the model is in training mode."""
        ...


def views_of(engine: Any, params: Any) -> Views:
    """What `engine` asks to see: what its `views` says, else `VIEWS` weak views."""
    if hasattr(engine, "views"):
        views: Views = engine.views(params)
        return views
    return Views(weak=engine.VIEWS)


def auxiliary_of(
    engine: Any, params: Any, feature_size: int, class_count: int, generator: torch.Generator
) -> nn.Module | None:
    """What `engine` trains or counts beside a network of `feature_size` features; None if nothing."""
    if not hasattr(engine, "auxiliary"):
        return None
    module: nn.Module | None = engine.auxiliary(params, feature_size, class_count, generator)
    return module


def step_loss(
    engine: Any,
    model: nn.Module,
    batch: SemiBatch,
    params: Any,
    randomness: StepRandomness,
    auxiliary: nn.Module | None,
) -> Tensor:
    """The engine's loss of one step."""
    beside = () if auxiliary is None else (auxiliary,)
    found: Tensor = engine.loss(model, batch, params, randomness, *beside)
    return found
