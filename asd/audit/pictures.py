"""Samples as small pictures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np

from asd.types import Images

SIDE = 96
"""Longest side of a picture in the page, pixels."""


def picture_uri(image: Images) -> str:
    """A PNG data URI of one image, shape (C, H, W).

    Small images are enlarged by a whole factor without smoothing, so that a trigger of single
    pixels stays one; larger ones are reduced to at most `SIDE` by averaging.
    """
    from PIL import Image

    channels, height, width = image.shape
    pixels = np.ascontiguousarray(image[0] if channels == 1 else image.transpose(1, 2, 0))
    picture = Image.fromarray(pixels)
    longest = max(height, width)
    if longest > SIDE:
        size = (max(1, width * SIDE // longest), max(1, height * SIDE // longest))
        picture = picture.resize(size, Image.Resampling.BOX)
    else:
        factor = SIDE // longest
        picture = picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
