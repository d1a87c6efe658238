"""Pictures for the pages: always re-encoded here, so that no byte of a stranger's file is served."""

from __future__ import annotations

import functools
import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asd.audit.pictures import SIDE, fitted
from asd.errors import AsdError
from asd.layout import Cell, Layout
from asd.seeds.seed_set import read_seed_set
from asd.shards.one import SinglePictures
from asd.shards.png import encode_png
from asd.types import Images

if TYPE_CHECKING:
    from PIL import Image

KINDS = ("thumb", "whole", "spectrum")


@dataclass(frozen=True)
class Spot:
    """Which picture: its row in the view, its key and its content hash (hex)."""

    row: int
    key: str
    content: str


class Pictures:
    """Finds the pictures of every view of a workspace; may be used from several threads."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._views: dict[tuple[str, ...], SinglePictures] = {}

    def of_run(self, cell: Cell, spot: Spot) -> Images:
        """What the run saw, uint8, shape (C, H, W).

        Raises:
            DataError: the picture is gone or is another one now.
        """
        return self._view(cell).read(spot.row, spot.key, spot.content)

    def of_training_data(self, dataset: str, spot: Spot) -> Images:
        """As fetched, with nothing planted in it.

        Raises:
            DataError: the picture is gone or is another one now.
        """
        with self._lock:
            view = self._views.setdefault((dataset,), SinglePictures(self._layout.fetched(dataset, "train")))
        return view.read(spot.row, spot.key, spot.content)

    def trouble(self, cell: Cell, spot: Spot) -> str:
        """Why this picture cannot be there, in a few words; "" as far as can be told without reading it."""
        try:
            gone = not self._view(cell).shard_of(spot.row, spot.key).is_file()
        except AsdError as error:
            return short_reason(error)
        return "file is gone" if gone else ""

    def _view(self, cell: Cell) -> SinglePictures:
        name = (cell.dataset, cell.attack, str(cell.trial))
        with self._lock:
            if name not in self._views:
                layout = self._layout
                overlay = layout.poisoned(cell.dataset, cell.attack, "train")
                self._views[name] = SinglePictures(
                    layout.fetched(cell.dataset, "train"),
                    overlay=overlay if overlay.is_dir() else None,
                    extra=read_seed_set(layout.seed_set(cell.dataset, cell.attack, cell.trial)).extra,
                )
            return self._views[name]


def short_reason(error: AsdError) -> str:
    """A few words for a small placeholder."""
    text = str(error)
    if text.startswith("missing"):
        return "file is gone"
    return "picture changed" if "not the one" in text else "not readable"


# -- PNG bytes ---------------------------------------------------------------------------------


def drawn(image: Images, kind: str) -> bytes:
    """PNG of a picture: a thumbnail, the picture as it is, or its frequency spectrum."""
    match kind:
        case "thumb":
            return _png(fitted(image, SIDE))
        case "spectrum":
            return encode_png(spectrum(image))
        case _:
            return encode_png(image)


def spectrum(image: Images) -> Images:
    """Logarithm of the two-dimensional Fourier transform of the grey values, low frequencies in the middle.

    Args:
        image: uint8, shape (C, H, W).

    Returns:
        uint8, shape (1, H, W), scaled to 0 to 255.
    """
    grey = image.astype(np.float64).mean(axis=0)
    power = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(grey))))
    return np.rint(255 * power / max(float(power.max()), 1e-12)).astype(np.uint8)[np.newaxis]


@functools.lru_cache(maxsize=16)
def placeholder(reason: str) -> bytes:
    """PNG that says why there is no picture; our own words only."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (SIDE, SIDE), "#d8dde3")
    pen = ImageDraw.Draw(picture)
    pen.line([(0, 0), (SIDE, SIDE)], "#c3cad2", 2)
    pen.line([(0, SIDE), (SIDE, 0)], "#c3cad2", 2)
    font = ImageFont.load_default(11)
    for number, words in enumerate(("no picture:", *reason.split(" "))):
        pen.text((SIDE / 2, 22 + 14 * number), words, "#1f2933", font, anchor="mm")
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=6)
    return stream.getvalue()
