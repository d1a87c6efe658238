"""Three ways to write samples for other programs; each reads back with identical pixels.

Every writer fills a folder with a training split: `train/` (WebDataset tars), `train.parquet`
(columns `img` and `label`, class names in the metadata of the Hugging Face hub) or
`train/CLASS/KEY.png`. Same samples, same bytes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from asd.errors import DataError
from asd.shards.png import encode_png
from asd.shards.write import write_shards
from asd.types import DataView, Sample

Writer = Callable[[Path, str, DataView, Iterator[Sample]], None]

_ROW_GROUP = 1000  # pictures in memory at a time
_LONGEST_NAME = 255  # bytes, of common file systems


def write_webdataset(folder: Path, name: str, view: DataView, samples: Iterator[Sample]) -> None:
    """`train/`: shards as asd's own, with their manifest and index."""
    channels, height, width = view.images.shape[1:]
    (folder / "train").mkdir()
    write_shards(
        folder / "train",
        samples,
        name=name,
        split="train",
        class_names=view.class_names,
        image_shape=(channels, height, width),
        trusted=view.trusted,
    )


def write_parquet(folder: Path, name: str, view: DataView, samples: Iterator[Sample]) -> None:
    """`train.parquet`: PNG bytes and label."""
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("img", picture), ("label", pa.int64())], metadata=_hub_note(view.class_names))
    with pq.ParquetWriter(folder / "train.parquet", schema, compression="zstd") as writer:
        while part := list(itertools.islice(samples, _ROW_GROUP)):
            pictures = [{"bytes": encode_png(s.image), "path": f"{s.key}.png"} for s in part]
            labels = [int(s.label) for s in part]
            writer.write_table(pa.table([pa.array(pictures, picture), pa.array(labels)], schema=schema))


def _hub_note(class_names: Sequence[str]) -> dict[str, str]:
    label = {"names": list(class_names), "_type": "ClassLabel"}
    features = {"img": {"_type": "Image"}, "label": label}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def write_imagefolder(folder: Path, name: str, view: DataView, samples: Iterator[Sample]) -> None:
    """`train/CLASS/KEY.png`; a class without samples has no folder.

    Raises:
        DataError: a class name cannot be the name of a folder.
    """
    for class_name in view.class_names:
        _check_folder_name(class_name)
    for sample in samples:
        place = folder / "train" / view.class_names[sample.label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{sample.key}.png").write_bytes(encode_png(sample.image))


def _check_folder_name(name: str) -> None:
    """A name from strangers must stay inside the folder, and our readers skip hidden ones."""
    hidden = not name or name.startswith(".")
    if hidden or any(c in name for c in "/\\\0") or len(name.encode()) > _LONGEST_NAME:
        raise DataError(f"class name {name!r} cannot be the name of a folder; take --format parquet")


WRITERS: dict[str, Writer] = {
    "webdataset": write_webdataset,
    "parquet": write_parquet,
    "imagefolder": write_imagefolder,
}
