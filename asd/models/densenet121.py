"""DenseNet-121 in the ImageNet form (7x7 stem, for 224x224) or a CIFAR form; 1,024 features.

Source: Huang et al. 2017, as torchvision builds it; paper appendix C, constants of facts 6. The
last three layers, which the paper does not name, are by analogy with ResNet-18: dense block 3
with its transition, dense block 4 with its norm, and the head. Nothing is downloaded: weights
come in by `model.weights`, under torchvision's names or ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asd.models._form import Form, form_field
from asd.params import Params as BaseParams

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier


class Params(BaseParams):
    """Which form."""

    form: Form = form_field("imagenet")


def build(params: Params, channels: int, class_count: int, generator: torch.Generator) -> ImageClassifier:
    """A fresh network for images of 32x32 and larger; growth 32, blocks of 6, 12, 24 and 16 layers."""
    from asd.models._blocks import initialise
    from asd.models._densenet import DenseNetwork

    network = DenseNetwork(channels, class_count, params.form)
    initialise(network, generator)
    return network
