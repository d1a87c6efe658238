"""torchvision's DenseNet-121 in the clothes of ours: features and head apart, five layers named."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models import densenet121

from asd.models._blocks import ImageClassifier, renamed, stem_of
from asd.models._form import Form

_WIDTH = 64  # channels of the stem
_TORCHVISION = {
    r"^features\.conv0\.": "stem.0.",
    r"^features\.norm0\.": "stem.1.",
    r"^features\.denseblock(\d)\.": r"layer\1.0.",
    r"^features\.transition(\d)\.": r"layer\1.1.",
    r"^features\.norm5\.": "layer4.1.",
    r"^classifier\.": "head.",
}


class DenseNetwork(ImageClassifier):
    """Stem; four dense blocks, each with the transition (the last: the norm) after it; linear head."""

    def __init__(self, channels: int, class_count: int, form: Form) -> None:
        super().__init__()
        parts = densenet121(weights=None).features
        self.stem = stem_of(form, channels, _WIDTH)
        for number in (1, 2, 3):
            block, transition = f"denseblock{number}", f"transition{number}"
            self.add_module(
                f"layer{number}", nn.Sequential(parts.get_submodule(block), parts.get_submodule(transition))
            )
        self.layer4 = nn.Sequential(parts.denseblock4, parts.norm5)
        self.feature_size = int(parts.norm5.num_features)
        self.head = nn.Linear(self.feature_size, class_count)
        self.layer_names = ("stem", "layer1", "layer2", "layer3", "layer4", "head")

    def features(self, images_BCHW: Tensor) -> Tensor:
        x = images_BCHW
        for name in self.layer_names[:-1]:
            x = self.get_submodule(name)(x)
        return torch.relu(x).mean(dim=(2, 3))

    def own_names(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights under torchvision's names become weights under ours; ours stay as they are."""
        return renamed(tensors, _TORCHVISION)
