"""ResNet-18 with the CIFAR stem (3x3, stride 1, no max-pool): 11,173,962 weights for 10 classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asd.params import Params as BaseParams

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier


class Params(BaseParams):
    """The network of the paper has no settings."""


def build(params: Params, channels: int, class_count: int, generator: torch.Generator) -> ImageClassifier:
    """A fresh network for images of any size; the paper's for 32x32 (section 5.1)."""
    from asd.models._blocks import ResidualNetwork, initialise

    network = ResidualNetwork(
        channels,
        class_count,
        widths=(64, 128, 256, 512),
        strides=(1, 2, 2, 2),
        blocks=2,
        stem_stride=1,
    )
    initialise(network, generator)
    return network
