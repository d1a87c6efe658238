"""Pieces that the residual networks share, and the base of every network here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from asd.models._form import Form


class ImageClassifier(nn.Module):
    """A feature extractor and a linear head.

    Shapes: images (B, C, H, W) float -> features (B, D) -> logits (B, K).

    Attributes:
        layer_names: names of the child modules from input to output, the head last.
        feature_size: D.
    """

    layer_names: tuple[str, ...]
    feature_size: int
    head: nn.Linear

    def features(self, images_BCHW: Tensor) -> Tensor:
        """Features before the head, shape (B, D)."""
        raise NotImplementedError

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits, shape (B, K), always float32."""
        features = self.features(images_BCHW).float()
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.head(features)
        return logits

    def last_layers(self, count: int) -> tuple[str, ...]:
        """Names of the last `count` layers; 3 is what the paper's virtual model trains.

        Raises:
            ValueError: the network has fewer layers.
        """
        if not 1 <= count <= len(self.layer_names):
            raise ValueError(f"layers must be 1 to {len(self.layer_names)} {self.layer_names}, got {count}")
        return self.layer_names[-count:]

    def own_names(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights from elsewhere under the names of this network; as they are unless it knows better."""
        return dict(tensors)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut (projected where the shape changes)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.shortcut(x))


def stem_of(form: Form, channels: int, width: int, stride: int = 1) -> nn.Sequential:
    """First convolution, batch norm and ReLU, with a max-pool in the ImageNet form.

    Args:
        stride: of the CIFAR form's convolution.
    """
    if form == "cifar":
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
    return nn.Sequential(
        nn.Conv2d(channels, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    )


class ResidualNetwork(ImageClassifier):
    """Stem, stages of basic blocks, average pooling, linear head."""

    def __init__(
        self,
        channels: int,
        class_count: int,
        *,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        blocks: int,
        stem_stride: int = 1,
        form: Form = "cifar",
    ) -> None:
        super().__init__()
        self.stem = stem_of(form, channels, widths[0], stem_stride)
        width = widths[0]
        stages = []
        for number, (wide, stride) in enumerate(zip(widths, strides, strict=True), start=1):
            first = BasicBlock(width, wide, stride)
            self.add_module(
                f"layer{number}",
                nn.Sequential(first, *(BasicBlock(wide, wide, 1) for _ in range(blocks - 1))),
            )
            stages.append(f"layer{number}")
            width = wide
        self.head = nn.Linear(width, class_count)
        self.layer_names = ("stem", *stages, "head")
        self.feature_size = width

    def features(self, images_BCHW: Tensor) -> Tensor:
        x = images_BCHW
        for name in self.layer_names[:-1]:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))

    def own_names(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights under torchvision's names become weights under ours; ours stay as they are."""
        return renamed(tensors, _TORCHVISION)


_TORCHVISION = {
    r"^conv1\.": "stem.0.",
    r"^bn1\.": "stem.1.",
    r"^fc\.": "head.",
    r"\.downsample\.": ".shortcut.",
}


def renamed(tensors: Mapping[str, Tensor], patterns: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors whose names have each pattern (a regular expression) replaced."""
    found = {}
    for name, value in tensors.items():
        for pattern, ours in patterns.items():
            name = re.sub(pattern, ours, name)
        found[name] = value
    return found


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Kaiming fan-out for convolutions, ones and zeros for batch norm, torch's default for linear layers."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            initialise_head(module, generator)


def initialise_head(head: nn.Linear, generator: torch.Generator) -> None:
    """Torch's default for a linear layer, from `generator`."""
    bound = 1 / math.sqrt(head.in_features)
    nn.init.uniform_(head.weight, -bound, bound, generator=generator)
    nn.init.uniform_(head.bias, -bound, bound, generator=generator)
