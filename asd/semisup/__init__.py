"""Semi-supervised engines. A plug-in offers `Params`, `VIEWS` and `loss(...)`.

An engine sees a labelled batch from the clean pool and views of an unlabelled batch from the
polluted pool, and returns one scalar to minimise.
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


@dataclass(frozen=True)
class SemiBatch:
    """One step's input.

    Attributes:
        labelled: normalised float images of the clean pool, shape (B, C, H, W).
        labels: their labels as given, shape (B,).
        unlabelled: VIEWS independent augmentations of the same B polluted-pool images.
        class_count: K.
        progress: share of the whole run that is done, 0 to 1; ramps depend on it.
    """

    labelled: Tensor
    labels: Tensor
    unlabelled: tuple[Tensor, ...]
    class_count: int
    progress: float


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
