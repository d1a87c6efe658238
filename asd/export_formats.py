"""Three ways to write samples for other programs; each reads back with identical pixels.

Every writer adds a split to a folder: `SPLIT/` (WebDataset tars), `SPLIT.parquet` (columns `img`
and `label`, class names in the metadata of the Hugging Face hub) or `SPLIT/CLASS/KEY.png`. What
is said of each sample stands in further columns, or beside the pictures in `SPLIT.csv`. Same
samples, same bytes.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from asd.errors import DataError
from asd.shards.png import encode_png
from asd.shards.write import write_shards
from asd.types import Sample


@dataclass(frozen=True)
class Split:
    """What is written.

    Attributes:
        name: `train`, `test` or `triggered`.
        dataset: the data set's name.
        class_names: K names.
        image_shape: (C, H, W).
        trusted: whether somebody vouches for the labels.
        said: of the samples in their order, names and values: a label before (None where nobody
            says), a role, a content hash (hex). Empty: nothing.
    """

    name: str
    dataset: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    trusted: bool
    said: Mapping[str, Sequence[int | str | None]] = field(default_factory=dict)


Writer = Callable[[Path, Split, Iterator[Sample]], None]
LABEL_BEFORE, ROLE, CLEAN = "original_label", "role", "clean_sha256"

_ROW_GROUP = 1000  # pictures in memory at a time
_LONGEST_NAME = 255  # bytes, of common file systems


def write_webdataset(folder: Path, split: Split, samples: Iterator[Sample]) -> None:
    """`SPLIT/`: shards as asd's own, with their manifest and index; `SPLIT.csv` goes by content hash."""
    (folder / split.name).mkdir()
    contents: list[str] = []
    labels: list[int] = []

    def noted() -> Iterator[Sample]:
        for sample in samples:
            if split.said:
                contents.append(sample.content_sha256)
                labels.append(int(sample.label))
            yield sample

    write_shards(
        folder / split.name,
        noted(),
        name=split.dataset,
        split=split.name,
        class_names=split.class_names,
        image_shape=split.image_shape,
        trusted=split.trusted,
    )
    _write_said(folder, split, "content_sha256", contents, labels)


def write_parquet(folder: Path, split: Split, samples: Iterator[Sample]) -> None:
    """`SPLIT.parquet`: PNG bytes, label, and what is said of each."""
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    more = [(name, pa.int64() if name == LABEL_BEFORE else pa.string()) for name in split.said]
    schema = pa.schema([("img", picture), ("label", pa.int64()), *more], metadata=_hub_note(split))
    done = 0
    with pq.ParquetWriter(folder / f"{split.name}.parquet", schema, compression="zstd") as writer:
        while part := list(itertools.islice(samples, _ROW_GROUP)):
            pictures = [{"bytes": encode_png(s.image), "path": f"{s.key}.png"} for s in part]
            labels = [int(s.label) for s in part]
            said = [
                pa.array(values[done : done + len(part)], schema.field(name).type)
                for name, values in split.said.items()
            ]
            writer.write_table(
                pa.table([pa.array(pictures, picture), pa.array(labels), *said], schema=schema)
            )
            done += len(part)


def _hub_note(split: Split) -> dict[str, str]:
    label = {"names": list(split.class_names), "_type": "ClassLabel"}
    features: dict[str, Any] = {"img": {"_type": "Image"}, "label": label}
    for name in split.said:
        features[name] = label if name == LABEL_BEFORE else {"dtype": "string", "_type": "Value"}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def write_imagefolder(folder: Path, split: Split, samples: Iterator[Sample]) -> None:
    """`SPLIT/CLASS/KEY.png`; a class without samples has no folder. `SPLIT.csv` goes by path.

    Raises:
        DataError: a class name cannot be the name of a folder.
    """
    for class_name in split.class_names:
        _check_folder_name(class_name)
    paths: list[str] = []
    labels: list[int] = []
    for sample in samples:
        path = f"{split.name}/{split.class_names[sample.label]}/{sample.key}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encode_png(sample.image))
        paths.append(path)
        labels.append(int(sample.label))
    _write_said(folder, split, "path", paths, labels)


def _write_said(folder: Path, split: Split, name: str, values: Sequence[str], labels: Sequence[int]) -> None:
    """`SPLIT.csv`: a line for each sample, classes by name; nothing where nothing is said."""
    if not split.said:
        return

    def text(column: str, value: int | str | None) -> str:
        if value is None:
            return ""
        return split.class_names[int(value)] if column == LABEL_BEFORE else str(value)

    with (folder / f"{split.name}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([name, "label", *split.said])
        for row, (value, label) in enumerate(zip(values, labels, strict=True)):
            said = [text(column, of[row]) for column, of in split.said.items()]
            writer.writerow([value, split.class_names[label], *said])


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
