"""The training images as one uint8 array, and batches of views from it.

The array lives on the device when it fits; else it stays a memory map and the page cache streams it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asd.params import AugmentParams, TrainingParams
from asd.training.augment import Draws, crop_and_flip
from asd.types import Images

_DEVICE_SHARE = 0.5


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, in 0 to 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, images_BCHW: Tensor) -> Tensor:
        """uint8 -> float32, channels last."""
        shape = (1, -1, 1, 1)
        scale = torch.tensor([1 / (255 * s) for s in self.std], device=images_BCHW.device).view(shape)
        shift = torch.tensor(
            [m / s for m, s in zip(self.mean, self.std, strict=True)], device=images_BCHW.device
        )
        floats = images_BCHW.to(torch.float32)
        return torch.sub(floats * scale, shift.view(shape)).contiguous(memory_format=torch.channels_last)


def given_normalisation(training: TrainingParams) -> Normalisation | None:
    """What the params give; None: to be measured on the training images."""
    if training.mean is None or training.std is None:
        return None
    return Normalisation(training.mean, training.std)


def measure_normalisation(images: Images, chunk: int = 4096) -> Normalisation:
    """Mean and standard deviation per channel over all N images (at least 1/255 for the latter)."""
    channels = images.shape[1]
    total, squares, count = np.zeros(channels), np.zeros(channels), 0
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk].astype(np.int64)
        total += part.sum(axis=(0, 2, 3))
        squares += (part * part).sum(axis=(0, 2, 3))
        count += part.shape[0] * part.shape[2] * part.shape[3]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    return Normalisation(tuple((mean / 255).tolist()), tuple((std / 255).tolist()))


class ImageStore:
    """N uint8 images from which batches of augmented or plain views are made on the device."""

    def __init__(
        self, images: Images, normalisation: Normalisation, augment: AugmentParams, device: torch.device
    ):
        self.count = len(images)
        self.normalisation = normalisation
        self.augment = augment
        self.device = device
        self._map = images
        self._resident = torch.from_numpy(np.array(images)).to(device) if _fits(images, device) else None

    def raw(self, index: NDArray[np.int64]) -> Tensor:
        """uint8 images on the device, shape (B, C, H, W)."""
        if self._resident is not None:
            return self._resident.index_select(0, torch.from_numpy(index).to(self.device))
        return torch.from_numpy(self._map[index]).to(self.device)

    def plain(self, index: NDArray[np.int64]) -> Tensor:
        """Normalised images as they are."""
        return self.normalisation.apply(self.raw(index))

    def cropped(self, index: NDArray[np.int64], draws: Draws) -> Tensor:
        """Randomly cropped and flipped images, still uint8; one draw each."""
        return crop_and_flip(self.raw(index), draws.to(self.device), self.augment)

    def views(self, index: NDArray[np.int64], draws: Draws) -> Tensor:
        """Normalised, randomly cropped and flipped images; one draw each."""
        return self.normalisation.apply(self.cropped(index, draws))


def _fits(images: Images, device: torch.device) -> bool:
    if device.type != "cuda":
        return not isinstance(images, np.memmap) or images.nbytes < 2**31
    free, _ = torch.cuda.mem_get_info(device)
    return bool(images.nbytes < _DEVICE_SHARE * free)
