"""A drop as it lies in `data/drops/NNNN`: pictures at the size as sent, and what was refused.

`shard-NNNNNN.tar` (KEY.png, KEY.cls with the class by name, KEY.json with path and hash as sent),
`index.parquet` (a row a picture), `quarantine.parquet` (a row a refused file), and `manifest.json`
with the hash of each. Nothing in it tells when it was made: the same drop gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from asd import store
from asd.errors import DataError
from asd.shards.manifest import INDEX, MANIFEST, Shard
from asd.shards.read import read_members

FORMAT = "asd-drop/1"
QUARANTINE = "quarantine.parquet"
INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("label", pa.string()),
        ("path", pa.string()),
        ("file_sha256", pa.string()),
        ("content_sha256", pa.string()),
        ("trained_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("perceptual_hash", pa.uint64()),
        ("flags", pa.list_(pa.string())),
        ("flagged_with", pa.string()),
        ("shard", pa.string()),
    ]
)
QUARANTINE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("label", pa.string()),
        ("file_sha256", pa.string()),
        ("size", pa.int64()),
        ("kept", pa.bool_()),
    ]
)
_STRICT = ConfigDict(extra="forbid")
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Form:
    """What training makes of a picture: its side (None: as sent), its channels, how it is fitted."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    image_size: int | None
    channels: Literal[1, 3]
    fit: Literal["stretch", "crop"]


@dataclass(frozen=True)
class DropManifest:
    """What a folder of a drop says of itself.

    Attributes:
        folder: the name that it was made under, such as `0001` or `0001-r1`.
        source: whom the drop came from.
        input_sha256: hash (hex) of the whole input as sent.
        form: the one at which `trained_sha256` of the index was taken.
        count: pictures; `quarantined`: refused files.
        shards: the tars in order.
        index_sha256, quarantine_sha256: hashes (hex) of the two tables.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    format: str
    folder: str
    source: str
    input_sha256: Hash
    form: Form
    count: int
    quarantined: int
    shards: tuple[Shard, ...]
    index_sha256: Hash
    quarantine_sha256: Hash

    def to_bytes(self) -> bytes:
        """The bytes of manifest.json."""
        return store.json_bytes(asdict(self))

    @property
    def sha256(self) -> str:
        """Hash (hex) of manifest.json; it covers every byte of the folder."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


_ADAPTER = TypeAdapter(DropManifest)


def picture_key(number: int, path: str) -> str:
    """The key of a drop's picture by its name as sent; the same when it is sent again."""
    return f"d{number:04d}_{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def picture_note(path: str, file_sha256: str) -> bytes:
    """The bytes of KEY.json."""
    return json.dumps({"file_sha256": file_sha256, "path": path}, sort_keys=True).encode()


def read_drop_manifest(folder: Path, wanted_sha256: str | None = None) -> DropManifest:
    """Read and check `folder/manifest.json`.

    Args:
        wanted_sha256: the hash (hex) that the record of the drop gives.

    Raises:
        DataError: missing, not such a manifest, or not the one of the record.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise DataError(
            f"missing folder {folder} of a drop; `dvc checkout` brings it back, or `dvc pull` from a remote"
        )
    try:
        manifest = _ADAPTER.validate_python(store.read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path} is no manifest of a drop: {where} {first['msg']}") from error
    if manifest.format != FORMAT:
        raise DataError(f"{path}: wanted format {FORMAT!r}, got {manifest.format!r}")
    if any(Path(shard.name).name != shard.name for shard in manifest.shards):
        raise DataError(f"{path}: a shard's name leads out of the folder")
    if wanted_sha256 is not None and store.file_sha256(path) != wanted_sha256:
        raise DataError(
            f"{path} is not the one that the record of the drop names: the folder was changed, or judging "
            "the drop anew was cut short; `dvc checkout`, or `asd drop add` once more"
        )
    return manifest


def read_drop_index(folder: Path, manifest: DropManifest, columns: list[str] | None = None) -> pa.Table:
    """The rows of index.parquet in order, or some columns of them.

    Raises:
        DataError: missing, or not what the manifest says.
    """
    return _read_table(folder / INDEX, manifest.index_sha256, INDEX_SCHEMA, columns)


def read_quarantine(folder: Path, manifest: DropManifest) -> pa.Table:
    """The rows of quarantine.parquet in order.

    Raises:
        DataError: missing, or not what the manifest says.
    """
    return _read_table(folder / QUARANTINE, manifest.quarantine_sha256, QUARANTINE_SCHEMA, None)


def _read_table(path: Path, sha256: str, schema: pa.Schema, columns: list[str] | None) -> pa.Table:
    if not path.is_file():
        raise DataError(f"missing file {path}")
    if store.file_sha256(path) != sha256:
        raise DataError(f"{path}: its SHA-256 differs from the manifest; the file was changed or damaged")
    table = store.read_parquet(path, columns=columns)
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    if table.schema.remove_metadata() != wanted:
        raise DataError(f"{path}: wanted columns {wanted.names}, got {table.column_names}")
    return table


def iter_pictures(folder: Path, manifest: DropManifest, keys: list[str]) -> Iterator[tuple[int, bytes]]:
    """Row and PNG bytes of every picture in the order of the index; a shard in memory at a time.

    Args:
        keys: those of the index, all of them.

    Raises:
        DataError: a shard is not what manifest and index say.
    """
    start = 0
    for shard in manifest.shards:
        here = keys[start : start + shard.count]
        members = read_members(folder / shard.name, shard, tuple(here))
        for row, key in enumerate(here, start):
            yield row, members[f"{key}.png"]
        start += shard.count
    if start != len(keys):
        raise DataError(f"{folder}: its index has {len(keys)} pictures, its shards have {start}")


def verify_drop(folder: Path, wanted_sha256: str) -> None:
    """Check that a folder of a drop is what its manifest says, and holds nothing else.

    Raises:
        DataError: names the file, what was wanted and what was found.
    """
    manifest = read_drop_manifest(folder, wanted_sha256)
    wanted = {MANIFEST, INDEX, QUARANTINE, *(shard.name for shard in manifest.shards)}
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in wanted)
    if strangers:
        raise DataError(f"{folder} holds {strangers[0]!r}, which its manifest does not name")
    refused = read_quarantine(folder, manifest).num_rows
    if refused != manifest.quarantined:
        raise DataError(f"{folder / QUARANTINE} names {refused} files, the manifest {manifest.quarantined}")
    keys = read_drop_index(folder, manifest, ["key"])["key"].to_pylist()
    if sum(1 for _ in iter_pictures(folder, manifest, keys)) != manifest.count:
        raise DataError(f"{folder}: its shards do not hold {manifest.count} pictures")
