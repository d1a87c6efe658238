"""Encoder and decoder of the sample-specific attack, of the StegaStamp kind (facts 4.7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def _conv(before: int, after: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, size, stride, size // 2), nn.ReLU(inplace=True))


class Encoder(nn.Module):
    """Secret (B, S) of bits and images (B, C, H, W) in 0 to 1 -> residual (B, C, H, W).

    H and W are multiples of 16 and those that it was made for.
    """

    def __init__(self, channels: int, height: int, width: int, secret: int, wide: int) -> None:
        super().__init__()
        self._shape = (channels, height, width)
        self.secret = nn.Linear(secret, channels * height * width)
        sizes = (wide, wide, 2 * wide, 4 * wide, 8 * wide)
        self.down = nn.ModuleList(
            _conv(before, after, 2 if number else 1)
            for number, (before, after) in enumerate(zip((2 * channels, *sizes), sizes, strict=False))
        )
        ups, joins = [], []
        size = sizes[-1]
        for skip, after in zip(reversed(sizes[:-1]), (4 * wide, 2 * wide, wide, wide), strict=True):
            ups.append(_conv(size, after))
            joins.append(_conv(after + skip, after))
            size = after
        self.up, self.join = nn.ModuleList(ups), nn.ModuleList(joins)
        self.residual = nn.Conv2d(size, channels, 1)

    def forward(self, secret: Tensor, images: Tensor) -> Tensor:
        spread = functional.relu(self.secret(secret - 0.5)).view(-1, *self._shape)
        x = torch.cat([spread, images - 0.5], dim=1)
        levels = []
        for layer in self.down:
            x = layer(x)
            levels.append(x)
        for up, join, skip in zip(self.up, self.join, reversed(levels[:-1]), strict=True):
            x = join(torch.cat([up(functional.interpolate(x, scale_factor=2.0)), skip], dim=1))
        out: Tensor = self.residual(x)
        return out


class Decoder(nn.Module):
    """Images (B, C, H, W) in 0 to 1 -> logits of the bits (B, S); straightens the image first."""

    def __init__(self, channels: int, height: int, width: int, secret: int, wide: int) -> None:
        super().__init__()
        self.locate = nn.Sequential(
            _conv(channels, wide, 2), _conv(wide, 2 * wide, 2), _conv(2 * wide, 4 * wide, 2), nn.Flatten()
        )
        small = 4 * wide * -(-height // 8) * -(-width // 8)
        self.turn = nn.Sequential(nn.Linear(small, 4 * wide), nn.ReLU(inplace=True))
        self.angles = nn.Linear(4 * wide, 6)
        sizes = (wide, wide, 2 * wide, 2 * wide, 2 * wide, 4 * wide, 4 * wide)
        strides = (2, 1, 2, 1, 2, 2, 1)
        before = (channels, *sizes[:-1])
        self.body = nn.Sequential(
            *(_conv(b, a, s) for b, a, s in zip(before, sizes, strides, strict=True)), nn.Flatten()
        )
        flat = 4 * wide * -(-height // 16) * -(-width // 16)
        self.head = nn.Sequential(nn.Linear(flat, 16 * wide), nn.ReLU(inplace=True))
        self.bits = nn.Linear(16 * wide, secret)

    def start_straight(self) -> None:
        """Begin with the identity as the turn."""
        nn.init.zeros_(self.angles.weight)
        with torch.no_grad():
            self.angles.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1.0, 0]))

    def forward(self, images: Tensor) -> Tensor:
        x = images - 0.5
        turn = self.angles(self.turn(self.locate(x))).view(-1, 2, 3)
        grid = functional.affine_grid(turn, list(x.shape), align_corners=False)
        out: Tensor = self.bits(self.head(self.body(functional.grid_sample(x, grid, align_corners=False))))
        return out
