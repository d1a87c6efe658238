"""Decoding a picture from anybody: upright, one size, one kind of colour. Imports no more than it needs."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from asd.errors import DataError
from asd.types import Images, content_sha256

T = TypeVar("T")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 50_000_000  # a decoded RGB picture of this size takes 150 MB


class UnreadableError(DataError):
    """One picture that cannot be read; `reason` says why, without saying which."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = re.sub(r" at 0x[0-9a-f]+", "", reason)  # the same words in every run


def decode_picture(
    data: bytes,
    where: str,
    *,
    image_size: int | None = None,
    channels: int = 3,
    fit: str = "stretch",
    formats: tuple[str, ...] = FORMATS,
) -> Images:
    """The uint8 picture (C, H, W) in `data`, upright as its EXIF says; the first of an animation.

    Args:
        fit: to a square: `stretch`, `crop` (the middle, all of the shorter side) or `center_crop` (the
            shorter side to 8/7 of the size, then the middle: 256 and 224 as usual on ImageNet).

    Raises:
        UnreadableError: not of an allowed format, too large, or broken; names `where`.
    """

    def to_pixels(upright: Image.Image) -> Images:
        return to_form(upright, where, image_size, channels, fit)

    return _with_picture(data, where, to_pixels, formats)


def decode_with_alpha(data: bytes, where: str) -> Images:
    """The uint8 picture (4, H, W) in `data`: red, green, blue and opacity, at its own size.

    Raises:
        UnreadableError: as `decode_picture`.
    """

    def to_pixels(upright: Image.Image) -> Images:
        return np.asarray(upright.convert("RGBA"), np.uint8)

    return np.ascontiguousarray(_with_picture(data, where, to_pixels).transpose(2, 0, 1))


def to_form(picture: Image.Image, where: str, image_size: int | None, channels: int, fit: str) -> Images:
    """An opened, upright picture as training sees it, uint8 (C, H, W).

    Raises:
        UnreadableError: its colours have no fixed range of values.
    """
    pixels = np.asarray(_resize(recolour(picture, channels, where), image_size, fit), np.uint8)
    return pixels[np.newaxis] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@dataclass(frozen=True)
class PictureFacts:
    """What a picture is before it is brought to the form of a data set.

    Attributes:
        width, height: in pixels, upright.
        mode: Pillow's word for its colours, such as `RGB`, `L`, `I;16`.
        grey: whether red, green and blue are equal everywhere.
        brightest: highest value of a 16-bit picture, else None.
        content_sha256: hash of shape and RGB pixels.
    """

    width: int
    height: int
    mode: str
    grey: bool
    brightest: int | None
    content_sha256: str


def inspect_picture(data: bytes, where: str) -> PictureFacts:
    """Decode a picture as `decode_picture` does, but keep its size, and say what it is.

    Raises:
        UnreadableError: as `decode_picture`.
    """

    def look(upright: Image.Image) -> PictureFacts:
        deep = upright.mode.startswith("I;16")
        brightest = int(np.asarray(upright).max()) if deep else None
        pixels = np.asarray(recolour(upright, 3, where), np.uint8)
        grey = bool((pixels == pixels[:, :, :1]).all())
        content = content_sha256(pixels.transpose(2, 0, 1))
        return PictureFacts(*upright.size, upright.mode, grey, brightest, content)

    return _with_picture(data, where, look)


def _with_picture(
    data: bytes, where: str, work: Callable[[Image.Image], T], formats: tuple[str, ...] = FORMATS
) -> T:
    """What `work` makes of the upright picture; whatever goes wrong is an UnreadableError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=formats) as picture:
                _check_size(picture, where)
                return work(ImageOps.exif_transpose(picture))
    except UnreadableError:
        raise
    except Exception as error:  # the decoders fail on broken bytes with errors of a dozen types
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"not a {', '.join(formats)} picture"
        raise _broken(where, reason) from error


def _broken(where: str, reason: str) -> UnreadableError:
    return UnreadableError(f"broken image {where}: {reason}", reason)


def _check_size(picture: Image.Image, where: str) -> None:
    """Refuse by the header alone, before a pixel is decoded."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _broken(where, f"{width}x{height} pixels, at most {MAX_PIXELS} are allowed")


def recolour(picture: Image.Image, channels: int, where: str) -> Image.Image:
    """The picture in mode L (one channel) or RGB; 16-bit grey loses its lower 8 bits.

    Raises:
        UnreadableError: its colours have no fixed range of values.
    """
    if picture.mode.startswith("I;16"):  # Pillow would clip 16-bit grey instead of scaling it
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise _broken(where, f"mode {picture.mode} has no fixed range of values")
    mode = "L" if channels == 1 else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)  # convert would copy it


def _resize(picture: Image.Image, side: int | None, fit: str) -> Image.Image:
    if side is None or picture.size == (side, side):
        return picture
    if fit == "center_crop":
        return _middle(picture, side)
    if fit == "crop":
        return ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR)
    return picture.resize((side, side), Image.Resampling.BILINEAR)


def _middle(picture: Image.Image, side: int) -> Image.Image:
    """The shorter side to 8/7 of `side`, bilinear; then the middle square."""
    shorter = round(side * 8 / 7)
    size = [shorter * length // min(picture.size) for length in picture.size]
    left, top = (round((length - side) / 2) for length in size)
    resized = picture.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + side, top + side))
