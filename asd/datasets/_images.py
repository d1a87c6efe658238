"""Pictures from anybody: decoded within bounds, brought to one size and one kind of colour."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field

from asd.datasets._base import DatasetParams
from asd.errors import DataError
from asd.types import Images

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 50_000_000  # a decoded RGB picture of this size takes 150 MB


class PictureParams(DatasetParams):
    """Params of the data sets whose pictures come from anybody."""

    image_size: int | None = Field(None, ge=1, le=1024, description="side in pixels; null: all are alike")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: RGB")
    fit: Literal["stretch", "crop"] = Field(
        "stretch", description="to a square: stretch keeps every part, crop keeps the middle and the aspect"
    )
    trusted: bool = Field(False, description="whether somebody vouches for the labels as published")
    held_out: float | None = Field(
        None, gt=0, lt=1, description="share of the training images taken as test split, by content"
    )

    def decode(self, data: bytes, where: str) -> Images:
        """Decode a picture as these params say; see `decode_picture`."""
        return decode_picture(data, where, image_size=self.image_size, channels=self.channels, fit=self.fit)


def decode_picture(
    data: bytes, where: str, *, image_size: int | None = None, channels: int = 3, fit: str = "stretch"
) -> Images:
    """The uint8 picture (C, H, W) in `data`, upright as its EXIF says; the first of an animation.

    Raises:
        DataError: not of an allowed format, too large, or broken; names `where`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                _check_size(picture, where)
                upright = ImageOps.exif_transpose(picture)
                coloured = _recolour(upright, channels, where)
                pixels = np.asarray(_resize(coloured, image_size, fit), np.uint8)
    except DataError:
        raise
    except Exception as error:  # the decoders fail on broken bytes with errors of a dozen types
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"not a {', '.join(FORMATS)} picture"
        raise DataError(f"broken image {where}: {reason}") from error
    return pixels[np.newaxis] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check_size(picture: Image.Image, where: str) -> None:
    """Refuse by the header alone, before a pixel is decoded."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise DataError(f"broken image {where}: {width}x{height} pixels, at most {MAX_PIXELS} are allowed")


def _recolour(picture: Image.Image, channels: int, where: str) -> Image.Image:
    if picture.mode.startswith("I;16"):  # Pillow would clip 16-bit grey instead of scaling it
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise DataError(f"broken image {where}: mode {picture.mode} has no fixed range of values")
    return picture.convert("L" if channels == 1 else "RGB")


def _resize(picture: Image.Image, side: int | None, fit: str) -> Image.Image:
    if side is None or picture.size == (side, side):
        return picture
    if fit == "crop":
        return ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR)
    return picture.resize((side, side), Image.Resampling.BILINEAR)
