"""Random generators, each derived from one seed and a purpose, so that none shares state.

Nothing in asd uses a global generator. A generator is a function of (seed, purpose): a run
that resumes at epoch e derives the generators of epoch e and so draws what an unbroken run
draws, with no generator state to store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Purpose = str | int


def derive_seed(random_seed: int, *purpose: Purpose) -> int:
    """A 63-bit seed that depends on `random_seed` and every part of `purpose`."""
    text = "\x1f".join([str(random_seed), *(f"{type(p).__name__}:{p}" for p in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(random_seed: int, *purpose: Purpose) -> np.random.Generator:
    """A numpy generator for one purpose, such as `(seed, "poison", "select")`."""
    return np.random.Generator(np.random.PCG64(derive_seed(random_seed, *purpose)))


def torch_generator(random_seed: int, *purpose: Purpose) -> torch.Generator:
    """A CPU torch generator for one purpose, such as `(seed, "augment", epoch)`."""
    import torch

    generator = torch.Generator(device="cpu")
    generator.manual_seed(derive_seed(random_seed, *purpose))
    return generator


def generators_of(rng: torch.Generator, keys: Iterable[str]) -> Iterator[torch.Generator]:
    """A CPU generator for each key, from the seed that `rng` began with, whatever it has drawn since."""
    return (torch_generator(rng.initial_seed(), "key", key) for key in keys)
