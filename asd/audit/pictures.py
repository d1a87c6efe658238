"""Samples as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from asd.types import Images

if TYPE_CHECKING:
    from PIL import Image

SIDE = 96
"""Longest side of a picture in the page, pixels."""


def picture_uri(image: Images, side: int = SIDE) -> str:
    """A PNG data URI of one image, shape (C, H, W), shown as `fitted` does."""
    stream = io.BytesIO()
    fitted(image, side).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def fitted(image: Images, side: int) -> Image.Image:
    """An image of shape (C, H, W) with its longest side at most `side` pixels.

    Small images are enlarged by a whole factor without smoothing, so that a trigger of single
    pixels stays one; larger ones are reduced by averaging.
    """
    from PIL import Image

    channels, height, width = image.shape
    pixels = np.ascontiguousarray(image[0] if channels == 1 else image.transpose(1, 2, 0))
    picture = Image.fromarray(pixels)
    longest = max(height, width)
    if longest > side:
        size = (max(1, width * side // longest), max(1, height * side // longest))
        return picture.resize(size, Image.Resampling.BOX)
    factor = side // longest
    return picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
