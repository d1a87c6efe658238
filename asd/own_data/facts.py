"""What the rules of a recipe look at, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SMALL = 3000
"""Training images below which the rhythm of preset digits is taken, above that of cifar10-cpu."""


@dataclass(frozen=True)
class Machine:
    """Whether torch sees a CUDA device, and whether the processor multiplies bf16 by itself."""

    cuda: bool
    bf16: bool


@dataclass(frozen=True)
class Facts:
    """The data as they will be trained on.

    Attributes:
        counts: training images of each class, the test part taken out.
        held_out: share that is taken as test part; None where there is one.
        image_size: side in pixels; `asked`: a person said so.
    """

    counts: tuple[int, ...]
    test_count: int
    held_out: float | None
    image_size: int
    asked: bool
    grey: bool
    machine: Machine

    @property
    def training(self) -> int:
        """N."""
        return sum(self.counts)

    @property
    def least(self) -> int:
        """Size of the smallest class."""
        return min(self.counts)

    @property
    def small(self) -> bool:
        """Whether the rhythm of preset digits fits."""
        return self.training < SMALL


def look_at_machine() -> Machine:
    """This machine; imports torch, which takes seconds."""
    import torch

    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        words = set()
    return Machine(torch.cuda.is_available(), bool(words & {"amx_bf16", "avx512_bf16"}))
