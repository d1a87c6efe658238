"""Contact sheets: numbered pictures to pick seeds from, as PNG files and one page that shows them all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd import store
from asd.audit.pictures import fitted
from asd.audit.report import page_environment
from asd.errors import DataError
from asd.safe_text import drawable, safe_text
from asd.seeds.candidates import numbered, of_sources
from asd.seeds.numbers import Shown, write_numbers
from asd.shards.read import Layer
from asd.types import Images

if TYPE_CHECKING:
    from PIL import Image

LEAST_SIDE, MOST_SIDE = 128, 192
"""Small pictures are enlarged to about the first, large ones reduced to the second, in pixels."""
ROWS = 5
_COLUMNS = {LEAST_SIDE: 8}
_COLUMNS_OF_LARGE = 6
_PAD, _CAPTION, _TITLE = 6, 18, 36
_KEY_LETTERS = 12
_MOST_BYTES = 512 * 2**20  # of decoded pictures held at a time
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """One sheet of one class: the file's name and the pictures it shows, in the order of their numbers."""

    file: str
    label: int
    pictures: tuple[Shown, ...]


@dataclass(frozen=True)
class Sheets:
    """What was written: the class names and all sheets."""

    class_names: tuple[str, ...]
    pages: tuple[Page, ...]


def write_sheets(train: Path, folder: Path, per_class: int, sources: Sequence[str] = ()) -> Sheets:
    """Replace `folder` by sheets of candidates, `index.html` and `numbers.csv`.

    Args:
        train: the training data as fetched.
        folder: where the sheets go.
        per_class: pictures a class, at most.
        sources: show only pictures from these (globs allowed); the numbers stay the same.

    Raises:
        ParamsError: a source that the data does not have.
        DataError: the data is damaged, or there is nothing to show.
    """
    layer = Layer.open(train)
    names, shape = layer.manifest.class_names, layer.manifest.image_shape
    side = min(max(*shape[1:], LEAST_SIDE), MOST_SIDE)
    columns = _COLUMNS.get(side, _COLUMNS_OF_LARGE)
    pages = tuple(_pages(layer, per_class, sources, columns * ROWS))
    if not pages:
        raise DataError(f"{train} has no picture to show: every picture comes with several labels")
    with store.atomic_directory(folder) as temporary:
        for part in _parts(pages, shape[0] * shape[1] * shape[2]):
            images = _images(layer, part)
            for page in part:
                first, last = page.pictures[0].number, page.pictures[-1].number
                title = f"{safe_text(names[page.label], 60)}  ({first} to {last})"
                _draw(page, images, title, side, columns).save(temporary / page.file, "PNG")
        write_numbers(temporary, (shown for page in pages for shown in page.pictures))
        (temporary / "index.html").write_text(_index(names, pages), encoding="utf-8")
    return Sheets(names, pages)


def _pages(layer: Layer, per_class: int, sources: Sequence[str], size: int) -> Iterator[Page]:
    index, names = layer.index, layer.manifest.class_names
    fits = of_sources(index, names, sources)
    for label, rows in enumerate(numbered(index, names)):
        shown = [
            Shown(names[label], number, index.keys[row], index.content[row])
            for number, row in enumerate(rows, start=1)
            if row in fits
        ][:per_class]
        for start in range(0, len(shown), size):
            # the label keeps names apart that differ in case or in letters a file name cannot have
            word = re.sub(r"[^A-Za-z0-9_-]+", "_", names[label])[:40]
            file = f"{label:04d}-{word}-{start // size + 1}.png"
            yield Page(file, label, tuple(shown[start : start + size]))


def _parts(pages: Sequence[Page], picture_bytes: int) -> Iterator[list[Page]]:
    """The pages in parts whose pictures fit into memory; each part costs one pass over the data."""
    part: list[Page] = []
    held = 0
    for page in pages:
        if part and held + len(page.pictures) * picture_bytes > _MOST_BYTES:
            yield part
            part, held = [], 0
        part.append(page)
        held += len(page.pictures) * picture_bytes
    yield part


def _images(layer: Layer, pages: Sequence[Page]) -> dict[str, Images]:
    wanted = {shown.key for page in pages for shown in page.pictures}
    return {sample.key: sample.image for sample in layer.samples(skip=set(layer.index.keys) - wanted)}


def _draw(page: Page, images: Mapping[str, Images], title: str, side: int, columns: int) -> Image.Image:
    """The sheet: the title, and below each picture its number and the end of its key."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = side + 2 * _PAD, side + 2 * _PAD + _CAPTION
    rows = -(-len(page.pictures) // columns)
    sheet = Image.new("RGB", (columns * width, _TITLE + rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    large, bold, small = (ImageFont.load_default(size) for size in (20, 15, 10))
    pen.text((_PAD, _PAD), drawable(title), "black", large)
    for place, shown in enumerate(page.pictures):
        left, top = place % columns * width + _PAD, _TITLE + place // columns * height + _PAD
        sheet.paste(fitted(images[shown.key], side).convert("RGB"), (left, top))
        pen.text((left, top + side + 2), str(shown.number), "black", bold)
        pen.text((left + side, top + side + 5), short_key(shown.key), "gray", small, anchor="ra")
    return sheet


def short_key(key: str) -> str:
    """The end of a key, which is where keys differ."""
    return key if len(key) <= _KEY_LETTERS else f"...{key[-_KEY_LETTERS:]}"


def _index(class_names: Sequence[str], pages: Sequence[Page]) -> str:
    classes: list[dict[str, Any]] = []
    for label, name in enumerate(class_names):
        own = [page for page in pages if page.label == label]
        command = f"asd seeds add --class {shlex.quote(name)} 3,7,12 --by NAME"
        classes.append({"name": name, "command": command, "files": [page.file for page in own]})
    environment = page_environment(_TEMPLATES)
    environment.filters["safe_text"] = safe_text
    return environment.get_template("sheets.html.j2").render(classes=classes) + "\n"
