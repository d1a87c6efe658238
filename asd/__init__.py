"""Train clean image classifiers on images from strangers. `asd.load_model(DIR)` opens a shipped model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asd.ship.load import load_model as load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:
    """`load_model` on first use, so that `import asd` imports nothing heavy."""
    if name != "load_model":
        raise AttributeError(f"module 'asd' has no attribute {name!r}")
    from asd.registry import shipping_module

    return shipping_module().load_model
