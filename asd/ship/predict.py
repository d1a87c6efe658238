"""Predicting with a shipped model, from arrays or from pictures as files or bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asd.datasets._decode import decode_picture
from asd.errors import DataError
from asd.ship.format import ModelFacts
from asd.ship.network import ShippedNetwork
from asd.types import Images, Labels

Probabilities = NDArray[np.float32]
Picture = str | os.PathLike[str] | bytes
"""A path, or the bytes of a picture file."""


@dataclass(frozen=True)
class ShippedModel:
    """A model ready to predict."""

    facts: ModelFacts
    network: ShippedNetwork
    device: str = "cpu"

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names; label i is class_names[i]."""
        return self.facts.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an input."""
        return self.facts.image_shape

    def predict(self, images: Images | Sequence[Picture], batch: int = 256) -> tuple[Labels, Probabilities]:
        """Classes and probabilities.

        Args:
            images: uint8 pixels 0 to 255 of the model's size, shape (N, C, H, W) or (N, H, W, C),
                channels in the order RGB; or picture files of any size, as paths or as their bytes,
                which are brought to it as `model.json` says.
            batch: images at a time.

        Returns:
            Labels int64 (N,) and probabilities float32 (N, K), each row summing to 1.

        Raises:
            ValueError: an array of another kind or shape, or one picture that is not in a list.
            DataError: a picture is missing or broken.
        """
        if isinstance(images, (str, bytes, os.PathLike)):
            raise ValueError(f"wanted a list of pictures, got one {type(images).__name__}: write [picture]")
        labels = [np.zeros(0, np.int64)]
        probabilities = [np.zeros((0, len(self.class_names)), np.float32)]
        with torch.inference_mode():
            for part in self._batches(images, batch):
                shares, classes = self.network(torch.from_numpy(part).to(self.device))
                labels.append(classes.cpu().numpy())
                probabilities.append(shares.cpu().numpy())
        return np.concatenate(labels), np.concatenate(probabilities)

    def _batches(self, images: Images | Sequence[Picture], batch: int) -> Iterator[Images]:
        if isinstance(images, np.ndarray):
            channels_first = to_channels_first(images, self.image_shape)
            for start in range(0, len(images), batch):
                yield np.array(channels_first[start : start + batch], order="C")
        else:
            for start in range(0, len(images), batch):
                yield np.stack([read_picture(one, self.facts) for one in images[start : start + batch]])


def to_channels_first(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> Images:
    """`images` as (N, C, H, W); the order is told by the shape, (N, C, H, W) where both would fit.

    Raises:
        ValueError: not uint8, or of another shape.
    """
    channels, height, width = shape
    if images.dtype != np.uint8:
        raise ValueError(f"images must be uint8, 0 to 255, got {images.dtype}")
    if images.shape[1:] == (channels, height, width):
        return images
    if images.shape[1:] == (height, width, channels):
        return images.transpose(0, 3, 1, 2)
    raise ValueError(
        f"images must have shape (N, {channels}, {height}, {width}) or (N, {height}, {width}, {channels}), "
        f"got {images.shape}; give paths of files to have them resized"
    )


def read_picture(picture: Picture, facts: ModelFacts) -> Images:
    """A picture as an input, uint8 (C, H, W), upright and resized as at training.

    Raises:
        DataError: missing, broken, or of a size that the model has no rule for.
    """
    name, data = ("the picture", picture) if isinstance(picture, bytes) else _read(Path(picture))
    height, width = facts.image_size
    side = height if height == width else None
    image = decode_picture(data, name, image_size=side, channels=facts.channels, fit=facts.resize.fit)
    if image.shape != facts.image_shape:
        raise DataError(
            f"{name} has {image.shape[2]}x{image.shape[1]} pixels; the model was trained on pictures "
            f"of {width}x{height} and has no rule to resize to that"
        )
    return image


def _read(path: Path) -> tuple[str, bytes]:
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
