"""Networks. A plug-in offers `Params` and `build(params, channels, class_count, generator)`.

Every network keeps features and head apart and names its layers from input to output, so that
"the last three layers" (paper section 4.2) is a property of the network and not of the defense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier


class Model(Protocol):
    """What a model plug-in (a module) offers."""

    Params: type[Any]

    @staticmethod
    def build(params: Any, channels: int, class_count: int, generator: torch.Generator) -> ImageClassifier:
        """A freshly initialised network; `generator` decides the weights."""
        ...
