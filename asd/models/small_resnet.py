"""A small residual network for two CPU cores: three stages of one block, 78 thousand weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from asd.params import Params as BaseParams

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier


class Params(BaseParams):
    """Widths and strides; as many strides as widths."""

    widths: tuple[int, ...] = Field((16, 32, 64), min_length=1, description="channels of each stage")
    strides: tuple[int, ...] = Field((2, 2, 2), min_length=1, description="stride of each stage")
    blocks: int = Field(1, ge=1, description="basic blocks a stage")
    stem_stride: int = Field(1, ge=1)


def build(params: Params, channels: int, class_count: int, generator: torch.Generator) -> ImageClassifier:
    """A fresh network for images of any size.

    Raises:
        ValueError: as many strides as widths are wanted.
    """
    from asd.models._blocks import ResidualNetwork, initialise

    if len(params.widths) != len(params.strides):
        raise ValueError(f"model: got {len(params.widths)} widths but {len(params.strides)} strides")
    network = ResidualNetwork(
        channels,
        class_count,
        widths=params.widths,
        strides=params.strides,
        blocks=params.blocks,
        stem_stride=params.stem_stride,
    )
    initialise(network, generator)
    return network
