"""What a folder of shards says of itself: `manifest.json` and `index.parquet`."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pydantic import ConfigDict, TypeAdapter, ValidationError

from asd import store
from asd.errors import DataError
from asd.types import SampleIndex

FORMAT = "asd-shards/1"
MANIFEST = "manifest.json"
INDEX = "index.parquet"
LEFT_OUT = "left_out.json"
EXCLUDED = "excluded.json"
INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("label", pa.int64()),
        ("content_sha256", pa.string()),
        ("source", pa.string()),
        ("shard", pa.string()),
    ]
)


@dataclass(frozen=True)
class Shard:
    """One tar file: its name in the folder, its number of samples and its SHA-256 (hex)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    count: int
    sha256: str


@dataclass(frozen=True)
class Base:
    """What an overlay lies over: a name for people and the SHA-256 (hex) of its manifest.json."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    sha256: str


@dataclass(frozen=True)
class LeftOutFile:
    """`left_out.json` or `excluded.json`: how many pictures it names, and its SHA-256 (hex)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    count: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A folder of shards.

    Attributes:
        name: data set, or whatever made these samples.
        split: `train`, `test` or another part.
        class_names: K names; label i is class_names[i].
        image_shape: (C, H, W) of every image.
        trusted: whether somebody vouches for the labels as published.
        count: number of samples.
        shards: the tars in order; samples in manifest order fill one after the other.
        index_sha256: SHA-256 (hex) of index.parquet.
        base: what this is an overlay of, if it is one.
        left_out: the record of pictures that could not be read, if there are any.
        excluded: the record of pictures that people confirmed as poisoned, if there are any.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    format: str
    name: str
    split: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    trusted: bool
    count: int
    shards: tuple[Shard, ...]
    index_sha256: str
    base: Base | None
    left_out: LeftOutFile | None = None
    excluded: LeftOutFile | None = None

    def to_bytes(self) -> bytes:
        """The bytes of manifest.json; `left_out` and `excluded` stand there only if something was."""
        fields = asdict(self)
        for name in ("left_out", "excluded"):
            if fields[name] is None:
                del fields[name]
        return store.json_bytes(fields)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of manifest.json; it covers every byte of the folder."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


_ADAPTER = TypeAdapter(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """Read and check `folder/manifest.json`.

    Raises:
        DataError: missing, not JSON, another format, or counts that do not add up.
    """
    path = folder / MANIFEST
    try:
        manifest = _ADAPTER.validate_json(path.read_bytes(), strict=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"missing file {path}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path} is not a manifest: {where} {first['msg']}".replace(":  ", ": ")) from error
    if manifest.format != FORMAT:
        raise DataError(f"{path}: wanted format {FORMAT!r}, got {manifest.format!r}")
    total = sum(shard.count for shard in manifest.shards)
    if total != manifest.count:
        raise DataError(f"{path}: says {manifest.count} samples, but its shards hold {total}")
    for shard in manifest.shards:
        if Path(shard.name).name != shard.name:
            raise DataError(f"{path}: shard name {shard.name!r} leads out of the folder")
    return manifest


def read_index_table(folder: Path, manifest: Manifest) -> pa.Table:
    """The rows of index.parquet in manifest order.

    Raises:
        DataError: missing, or not what the manifest says.
    """
    path = folder / INDEX
    if not path.is_file():
        raise DataError(f"missing file {path}")
    if store.file_sha256(path) != manifest.index_sha256:
        raise DataError(f"{path}: its SHA-256 differs from the manifest; the file was changed or damaged")
    table = store.read_parquet(path)
    if table.schema.remove_metadata() != INDEX_SCHEMA:
        raise DataError(f"{path}: wanted columns {INDEX_SCHEMA.names}, got {table.column_names}")
    if [(s.name, s.count) for s in manifest.shards] != _runs(table["shard"].to_pylist()):
        raise DataError(f"{path}: its rows do not fill the shards in the order and counts of the manifest")
    return table


def _runs(names: list[str]) -> list[tuple[str, int]]:
    """Runs of equal neighbours with their lengths."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return runs


def to_index(table: pa.Table) -> SampleIndex:
    """The index without the shard column."""
    return SampleIndex(
        keys=tuple(table["key"].to_pylist()),
        labels=table["label"].to_numpy(),
        content=tuple(table["content_sha256"].to_pylist()),
        sources=tuple(table["source"].to_pylist()),
    )


def read_index(folder: Path) -> SampleIndex:
    """Keys, labels, content hashes and sources of a folder's samples, in manifest order.

    Raises:
        DataError: the folder's manifest or index is missing or wrong.
    """
    return to_index(read_index_table(folder, read_manifest(folder)))
