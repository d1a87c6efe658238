"""How much a stage computes, counted from params alone: what `asd run --dry-run` multiplies with times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StageWork:
    """What one stage of a defense does on N samples.

    Attributes:
        epochs: how many it trains.
        steps: optimiser steps of the model, of `batch` labelled images each.
        engine, engine_params: the semi-supervised plug-in of these steps; None for supervised ones.
        passes: scorings of all N samples.
        virtual_steps: steps of virtual models, of `virtual_batch` images on `virtual_layers` layers.
    """

    epochs: int
    steps: int
    batch: int
    engine: str | None = None
    engine_params: Mapping[str, Any] = field(default_factory=dict)
    passes: int = 0
    virtual_steps: int = 0
    virtual_batch: int = 0
    virtual_layers: int = 0
