"""ResNet-18 in the CIFAR form (11,173,962 weights for 10 classes) or the ImageNet form.

Source: He et al. 2016; paper section 5.1, constants of the public code (facts 6). Weights with
torchvision's names fit the ImageNet form. The last three layers are residual stages 3 and 4 and
the head in both.
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

    form: Form = form_field("cifar")


def build(params: Params, channels: int, class_count: int, generator: torch.Generator) -> ImageClassifier:
    """A fresh network for images of any size; 512 features."""
    from asd.models._blocks import ResidualNetwork, initialise

    network = ResidualNetwork(
        channels,
        class_count,
        widths=(64, 128, 256, 512),
        strides=(1, 2, 2, 2),
        blocks=2,
        form=params.form,
    )
    initialise(network, generator)
    return network
