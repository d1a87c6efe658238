"""What a defense that splits the data says of itself: the columns of the paper's Table 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PoolTraits:
    """How a defense treats its two pools.

    Attributes:
        method: its name in the literature.
        initialisation: how long it takes until there are pools.
        maintenance: whether the pools change while the model is trained.
        operation: what happens with the polluted pool: its backdoor is unlearned, or its labels are left out.
        selects_hard: whether clean samples with a high loss get into the clean pool.
    """

    method: str
    initialisation: Literal["fast", "slow"]
    maintenance: Literal["static", "adaptive"]
    operation: Literal["unlearn", "purify"]
    selects_hard: bool
