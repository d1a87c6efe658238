"""Pictures in every form in which somebody may have them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def encoded(number: int, side: int = 16, form: str = "PNG", mode: str = "RGB") -> bytes:
    """A picture like no other number's."""
    noise = np.random.Generator(np.random.PCG64(number)).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, form)
    return stream.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def class_folders(root: Path, counts: dict[str, int], start: int = 0, side: int = 16) -> Path:
    number = start
    for name, count in counts.items():
        for i in range(count):
            write(root / name / f"{i:04d}.png", encoded(number, side))
            number += 1
    return root


def tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def labelled(root: Path, count: int = 80) -> Path:
    """A folder of pictures and labels.csv."""
    lines = ["path,label"]
    for i in range(count):
        write(root / "images" / f"{i}.png", encoded(i))
        lines.append(f"images/{i}.png,{'cat' if i % 2 else 'dog'}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def parquet(path: Path, labels: list[int | str], start: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": encoded(start + i), "path": None} for i in range(len(labels))]
    pq.write_table(pa.table({"image": cells, "label": labels}), path)
    return path
