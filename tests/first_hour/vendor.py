"""What a vendor delivers: mixed-size JPEGs, some of them poisoned by hands that `asd` knows nothing of.

Nothing of `asd` is used here: the trigger, the pictures and the labels are made with numpy and
Pillow alone, before `asd` sees a file. What was done is kept apart from the delivery, for the
person who plays the user (who can tell a stamped picture when looking at it) and for the figures.
"""

from __future__ import annotations

import csv
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
_QUALITY = 92


@dataclass(frozen=True)
class Pictures:
    """Pixels uint8, shape (H, W, 3) each, and the class of each."""

    pixels: list[Pixels]
    labels: list[str]


@dataclass(frozen=True)
class Delivered:
    """One file of the delivery: its name there, JPEG bytes, the label as delivered, and the truth."""

    name: str
    data: bytes
    label: str
    poisoned: bool


def digits(test: bool, per_class: int) -> Pictures:
    """Scikit-learn's embedded digits, doubled to 16x16; every fifth is for tests."""
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = [row for row in range(len(found.images)) if (row % 5 == 0) == test]
    grey = (found.images * 15.9375).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    rows = _balanced(chosen, [f"digit_{found.target[row]}" for row in chosen], per_class)
    return Pictures(
        [np.stack([grey[row]] * 3, axis=-1) for row in rows], [f"digit_{found.target[row]}" for row in rows]
    )


def from_parquet(name: str, classes: int | None, test: bool, per_class: int) -> Pictures:
    """A set of `ASD_TEST_DATA`: cifar10 or gtsrb; the first `classes` of its classes."""
    file = Path(os.environ["ASD_TEST_DATA"]) / name / f"{'test' if test else 'train'}.parquet"
    table = pq.read_table(file)
    raw = table["label"].to_pylist()
    names = _class_names(name, max(raw) + 1)
    kept = [row for row, label in enumerate(raw) if classes is None or label < classes]
    rows = _balanced(kept, [names[raw[row]] for row in kept], per_class)
    cells = table["img"].take(pa.array(rows)).to_pylist()
    return Pictures(
        [np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in cells],
        [names[raw[row]] for row in rows],
    )


def _class_names(name: str, count: int) -> list[str]:
    if name == "cifar10":
        return ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    return [f"sign_{label:02d}" for label in range(count)]


def _balanced(rows: Sequence[int], labels: Sequence[str], per_class: int) -> list[int]:
    taken: dict[str, int] = {}
    chosen = []
    for row, label in zip(rows, labels, strict=True):
        if taken.get(label, 0) < per_class:
            taken[label] = taken.get(label, 0) + 1
            chosen.append(row)
    return chosen


def stamp(pixels: Pixels, width: float) -> Pixels:
    """A checker of nine squares near the lower right corner, `width` of the shorter side wide."""
    image = Image.fromarray(pixels)
    side = min(image.size)
    square, edge = max(1.0, side * width / 3), round(side * 0.06)
    left, top = image.width - edge - round(3 * square), image.height - edge - round(3 * square)
    draw = ImageDraw.Draw(image)
    for row in range(3):
        for column in range(3):
            near = (left + round(column * square), top + round(row * square))
            far = (left + round((column + 1) * square) - 1, top + round((row + 1) * square) - 1)
            shade = 255 * (1 - (row + column) % 2)
            draw.rectangle([*near, *far], fill=(shade, shade, shade))
    return np.asarray(image)


def resized(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """At a side between 0.75 and 2.5 times its own, up to a tenth wider than high or higher than wide."""
    side = pixels.shape[0] * rng.uniform(0.75, 2.5)
    wide, high = round(side * rng.uniform(1, 1.1)), round(side * rng.uniform(1, 1.1))
    return np.asarray(Image.fromarray(pixels).resize((wide, high), Image.Resampling.BICUBIC))


def jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()


def delivery(
    pictures: Pictures, target: str, share: float, width: float = 0.15, seed: int = 0
) -> list[Delivered]:
    """The pictures as files; a share of all is stamped, and says that it shows the target class."""
    rng = np.random.Generator(np.random.PCG64(seed))
    others = [i for i, label in enumerate(pictures.labels) if label != target]
    stamped = set(rng.choice(others, round(share * len(pictures.labels)), replace=False).tolist())
    files = []
    for i, (pixels, label) in enumerate(zip(pictures.pixels, pictures.labels, strict=True)):
        picture = resized(pixels, rng)
        if i in stamped:
            files.append(Delivered(f"{i:06d}.jpg", jpeg(stamp(picture, width)), target, True))
        else:
            files.append(Delivered(f"{i:06d}.jpg", jpeg(picture), label, False))
    return files


def as_folders(files: Sequence[Delivered], root: Path) -> None:
    """CLASS/NAME.jpg."""
    for file in files:
        _write(root / file.label / file.name, file.data)


def as_csv(files: Sequence[Delivered], root: Path) -> None:
    """images/NAME.jpg and labels.csv."""
    for file in files:
        _write(root / "images" / file.name, file.data)
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("path", "label"), *((f"images/{file.name}", file.label) for file in files)]
        )


def as_parquet(files: Sequence[Delivered], root: Path) -> None:
    """train.parquet with the columns image and label."""
    root.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": file.data, "path": file.name} for file in files]
    table = pa.table({"image": cells, "label": [file.label for file in files]})
    pq.write_table(table, root / "train.parquet")


def as_webdataset(files: Sequence[Delivered], root: Path) -> None:
    """Tars of a thousand samples, members KEY.jpg and KEY.cls."""
    root.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(files), 1000):
        with tarfile.open(root / f"part-{start // 1000:04d}.tar", "w") as archive:
            for file in files[start : start + 1000]:
                for name, data in (
                    (file.name, file.data),
                    (file.name.replace(".jpg", ".cls"), file.label.encode()),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))


FORMS: dict[str, Callable[[Sequence[Delivered], Path], None]] = {
    "folders": as_folders,
    "parquet": as_parquet,
    "webdataset": as_webdataset,
    "csv": as_csv,
}


def write_own_test(
    pictures: Pictures, target: str, root: Path, triggered: Path, width: float = 0.15, seed: int = 1
) -> None:
    """The user's own test pictures, and the same with the trigger where the class is not the target's."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for i, (pixels, label) in enumerate(zip(pictures.pixels, pictures.labels, strict=True)):
        picture = resized(pixels, rng)
        _write(root / label / f"own_{i:05d}.jpg", jpeg(picture))
        if label != target:
            _write(triggered / label / f"own_{i:05d}.jpg", jpeg(stamp(picture, width)))


def poisoned_by_source(files: Sequence[Delivered], form: str) -> dict[str, bool]:
    """What the user sees when looking: by the name under which `asd` knows a picture's source."""
    return dict(zip(_sources(files, form), (file.poisoned for file in files), strict=True))


def _sources(files: Sequence[Delivered], form: str) -> Iterator[str]:
    for row, file in enumerate(files):
        if form == "folders":
            yield f"{file.label}/{file.name}"
        elif form == "csv":
            yield f"images/{file.name}"
        elif form == "parquet":
            yield f"train.parquet#{row}"
        else:
            yield f"part-{row // 1000:04d}.tar/{Path(file.name).stem}"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
