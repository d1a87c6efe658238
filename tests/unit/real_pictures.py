"""Real photographs for tests of layouts: of ASD_TEST_DATA where it is set, else the embedded digits."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image


@cache
def pictures(name: str, count: int) -> list[Image.Image]:
    """`count` pictures of `gtsrb`, `cifar10` or `imagenet_seed`, RGB."""
    root = os.environ.get("ASD_TEST_DATA")
    if not root:
        return [_digit(i) for i in range(count)]
    import pyarrow.parquet as pq

    rows = pq.ParquetFile(Path(root) / name / "train.parquet").iter_batches(count, columns=["img"])
    cells = next(rows).column(0).to_pylist()
    return [Image.open(io.BytesIO(cell["bytes"])).convert("RGB") for cell in cells]


def _digit(number: int) -> Image.Image:
    from sklearn.datasets import load_digits

    grey = (load_digits().images[number] * 15.9).astype(np.uint8)
    return Image.fromarray(grey).resize((64, 64)).convert("RGB")


def encoded(picture: Image.Image, form: str = "JPEG") -> bytes:
    """The bytes of a picture file."""
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()


def put(path: Path, data: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
