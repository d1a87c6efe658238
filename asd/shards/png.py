"""PNG with fixed settings, so that the same picture gives the same bytes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from asd.errors import DataError
from asd.types import Images

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}  # channels -> PNG's grey and RGB
_COMPRESS_LEVEL = 6


def encode_png(image: Images) -> bytes:
    """PNG bytes of an uint8 image of shape (C, H, W), C is 1 (grey) or 3 (RGB)."""
    pixels = image[0] if image.shape[0] == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    return picture_png(Image.fromarray(pixels))


def picture_png(picture: Image.Image) -> bytes:
    """PNG bytes of a picture in mode L or RGB, without its metadata."""
    stream = io.BytesIO()
    # what an opened picture brings along would be written, too: None keeps it out
    picture.save(
        stream, format="PNG", compress_level=_COMPRESS_LEVEL, icc_profile=None, transparency=None, exif=None
    )
    return stream.getvalue()


def decode_png(data: bytes, shape: tuple[int, int, int], where: str) -> Images:
    """The uint8 image of shape (C, H, W) in `data`; the header is checked before any decoding.

    Raises:
        DataError: not a PNG, another shape than wanted, or broken.
    """
    channels, height, width = shape
    if len(data) < 33 or data[:8] != _SIGNATURE:
        raise DataError(f"{where} is not a PNG")
    got = struct.unpack(">IIBB", data[16:26])
    if got != (width, height, 8, _COLOUR_TYPES[channels]):
        raise DataError(
            f"{where}: wanted {width}x{height} pixels, 8 bits, colour type {_COLOUR_TYPES[channels]}, "
            f"got {got[0]}x{got[1]}, {got[2]} bits, type {got[3]}"
        )
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            pixels = np.asarray(picture, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, zlib.error) as error:
        raise DataError(f"{where} is a broken PNG: {error}") from error
    return pixels[np.newaxis] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
