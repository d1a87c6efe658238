"""The process that decodes strangers' pictures: bytes in, a clean copy or a reason out.

Started by `asd.intake.processes`; it shares nothing with the gate but two pipes of raw frames.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import re
import signal
import struct
import sys
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from asd.datasets._decode import FORMATS, UnreadableError, recolour, to_form
from asd.intake import frames, sandbox
from asd.intake.perceptual import perceptual_hash
from asd.shards.png import picture_png
from asd.types import Images, content_sha256

MEMORY = 208 * 2**20
"""Bytes that decoding may take: a picture of 16 million pixels fits."""
FACTS = struct.Struct("<IIQ")  # width, height, perceptual hash
ACCEPTED, REFUSED = b"A", b"R"
_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
_LARGE = 2**20  # pixels; two pictures of 16 million at once would take more than the gate may
_UPRIGHT = (0, 1)
_ORIENTATION = 0x0112
_MESSAGE = 200


class _RefusedError(Exception):
    """A picture that is refused: its code, and why in words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Decoder:
    """Brings pictures into the form in which they are kept.

    Args:
        most_pixels: of one picture, by its header.
        image_size, channels, fit: the form in which training sees it.
        lock: an open file; of all processes that hold it one at a time decodes a large picture.
    """

    def __init__(self, most_pixels: int, image_size: int | None, channels: int, fit: str, lock: int) -> None:
        self._most_pixels = most_pixels
        self._form = (image_size, channels, fit)
        self._lock, self._holds = lock, False

    @contextlib.contextmanager
    def turn(self, data: bytes) -> Iterator[list[bytes]]:
        """The frame for one picture; while it is sent no other process decodes a large one."""
        try:
            yield self.answer(data)
        finally:
            if self._holds:
                fcntl.lockf(self._lock, fcntl.LOCK_UN)
                self._holds = False

    def answer(self, data: bytes) -> list[bytes]:
        """The frame for one picture."""
        try:
            return self._accept(data)
        except _RefusedError as error:
            code, message = error.code, str(error)
        except UnreadableError as error:
            code, message = "odd-colours", error.reason
        except MemoryError:
            code, message = "too-much-memory", f"decoding took more than {MEMORY // 2**20} MiB"
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            code, message = "too-many-pixels", f"more than {self._most_pixels} pixels, by its header"
        except UnidentifiedImageError:
            code, message = "broken-picture", f"its header is not that of a {', '.join(FORMATS)} picture"
        except Exception as error:  # the decoders fail on broken bytes with errors of a dozen types
            words = str(error) or type(error).__name__
            code, message = "broken-picture", re.sub(r" at 0x[0-9a-f]+", "", words)
        return [REFUSED, code.encode(), message[:_MESSAGE].encode(errors="replace")]

    def _accept(self, data: bytes) -> list[bytes]:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > self._most_pixels:
                raise _RefusedError(
                    "too-many-pixels", f"{width}x{height} pixels, at most {self._most_pixels} are allowed"
                )
            if width * height > _LARGE and not self._holds:
                fcntl.lockf(self._lock, fcntl.LOCK_EX)  # given up by the kernel if this process dies
                self._holds = True
            return self._copy(picture, data)

    def _copy(self, picture: Image.Image, data: bytes) -> list[bytes]:
        flags = _flags(picture, data)
        picture.load()
        grey = picture.mode in _GREY
        ImageOps.exif_transpose(picture, in_place=True)
        plain = recolour(picture, 1 if grey else 3, "")
        size, channels, fit = self._form
        content = trained = content_sha256(_planes(recolour(plain, 3, "")))
        if channels != 3 or size not in (None, plain.width) or size not in (None, plain.height):
            trained = content_sha256(to_form(plain, "", size, channels, fit))
        facts = FACTS.pack(plain.width, plain.height, perceptual_hash(plain))
        png = picture_png(plain)
        return [
            ACCEPTED,
            png,
            facts,
            bytes.fromhex(content),
            bytes.fromhex(trained),
            ",".join(flags).encode(),
        ]


def _planes(picture: Image.Image) -> Images:
    """The pixels of an RGB picture, shape (3, H, W), not copied into that order."""
    pixels: Images = np.asarray(picture, np.uint8)
    return pixels.transpose(2, 0, 1)


def _flags(picture: Image.Image, data: bytes) -> list[str]:
    flags = []
    if getattr(picture, "n_frames", 1) > 1:
        flags.append("animated")
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        flags.append("alpha")
    if picture.getexif().get(_ORIENTATION, 1) not in _UPRIGHT:
        flags.append("rotated")
    if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        flags.append("recoloured")
    if _trails(picture.format, data):
        flags.append("trailing-data")
    return flags


def _trails(form: str | None, data: bytes) -> bool:
    """Whether bytes stand behind the picture's end, as in a file that is two things at once."""
    if form == "PNG":
        return data.rfind(b"IEND") + 8 != len(data)
    if form == "JPEG":
        return not data.rstrip(b"\x00").endswith(b"\xff\xd9")
    return False


def warm_up(decoder: Decoder) -> None:
    """Decode a picture of each format and kind: what they import cannot be imported later."""
    Image.init()
    for code in ("ascii", "latin-1", "utf-16-le", "utf-16-be", "utf-8"):
        "".encode(code)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for form in FORMATS:
        for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"):
            stream = io.BytesIO()
            frames_of = [Image.new(mode, (2, 2)) for _ in range(2)]
            with contextlib.suppress(OSError, ValueError, KeyError):  # not every format has every mode
                frames_of[0].save(stream, form, exif=exif, save_all=True, append_images=frames_of[1:])
            decoder.answer(stream.getvalue())


def main(config: str) -> None:
    """Answer every picture that comes in, in order, until the pipe is closed."""
    given = json.loads(config)
    seconds = float(given.pop("seconds"))
    decoder = Decoder(**given)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    warm_up(decoder)
    sandbox.enter(MEMORY)
    for (data,) in frames.read_frames(0, 2**32 - 1):
        # the default action of this signal ends the process, also inside a decoder's C code
        signal.setitimer(signal.ITIMER_PROF, seconds)
        with decoder.turn(data) as answer:
            signal.setitimer(signal.ITIMER_PROF, 0)
            frames.write_frame(1, answer)


if __name__ == "__main__":
    main(sys.argv[1])
