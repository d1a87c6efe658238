"""Write samples as shards: one pass, one shard in memory, the same bytes for the same samples."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from asd import store
from asd.errors import DataError, DiskError
from asd.shards import tar
from asd.shards.keys import check_key
from asd.shards.left_out import write_excluded, write_left_out
from asd.shards.manifest import FORMAT, INDEX, INDEX_SCHEMA, MANIFEST, Base, Manifest, Shard
from asd.shards.png import encode_png
from asd.types import Excluded, LeftOut, Sample

SHARD_SAMPLES = 10_000
SHARD_BYTES = 64 * 2**20
_OVERHEAD = 4096  # bytes a sample: three headers, padding, a row of the index


def write_shards(
    folder: Path,
    samples: Iterable[Sample],
    *,
    name: str,
    split: str,
    class_names: Sequence[str],
    image_shape: tuple[int, int, int],
    trusted: bool,
    base: Manifest | None = None,
    order: Sequence[str] | None = None,
    left_out: Sequence[LeftOut] = (),
    excluded: Sequence[Excluded] = (),
    group: Callable[[Sample], str] | None = None,
    shard_samples: int = SHARD_SAMPLES,
) -> Manifest:
    """Write tars, index and manifest into the existing `folder`.

    The samples come in manifest order; inside a tar the members are sorted by name. Give the
    function a folder of `store.atomic_directory`: it leaves a half-filled one on an error.

    Args:
        base: the manifest of the whole set, if the samples are an overlay over it.
        order: the keys that must come, in this order.
        left_out: pictures that could not be read; looked at when all samples have come.
        excluded: pictures that people confirmed as poisoned; looked at when all samples have come.
        group: a new shard begins where it gives another name than for the sample before.
        shard_samples: most samples in one tar (a tar also ends at about 64 MiB).

    Raises:
        DataError: a bad or doubled key, a label outside the classes, an image of another shape
            or type, or other keys than `order`.
    """
    writer = _Writer(folder, tuple(class_names), image_shape, shard_samples)
    for sample in samples if order is None else _in_order(samples, order):
        if group is not None:
            writer.begin(group(sample))
        writer.add(sample)
    writer.flush()
    store.write_parquet(
        folder / INDEX, pa.Table.from_batches(writer.rows, INDEX_SCHEMA), row_group_size=65_536
    )
    manifest = Manifest(
        format=FORMAT,
        name=name,
        split=split,
        class_names=tuple(class_names),
        image_shape=image_shape,
        trusted=trusted,
        count=sum(shard.count for shard in writer.shards),
        shards=tuple(writer.shards),
        index_sha256=store.file_sha256(folder / INDEX),
        base=None if base is None else Base(f"{base.name}/{base.split}", base.sha256),
        left_out=write_left_out(folder, left_out),
        excluded=write_excluded(folder, excluded),
    )
    (folder / MANIFEST).write_bytes(manifest.to_bytes())
    return manifest


def _in_order(samples: Iterable[Sample], order: Sequence[str]) -> Iterator[Sample]:
    wanted = iter(order)
    for sample in samples:
        key = next(wanted, None)
        if sample.key != key:
            raise DataError(f"wanted sample {key!r} next, got {sample.key!r} from {sample.source}")
        yield sample
    missing = next(wanted, None)
    if missing is not None:
        raise DataError(f"the samples ended before {missing!r}; wanted {len(order)}")


class _Writer:
    """Collects one shard at a time."""

    def __init__(
        self, folder: Path, class_names: tuple[str, ...], shape: tuple[int, int, int], shard_samples: int
    ) -> None:
        if shape[0] not in (1, 3) or min(shape) < 1:
            raise ValueError(f"image shape must be (1 or 3, height, width), got {shape}")
        if shard_samples < 1:
            raise ValueError(f"shard_samples must be at least 1, got {shard_samples}")
        self.shards: list[Shard] = []
        self.rows: list[pa.RecordBatch] = []
        self._folder = folder
        self._class_names = class_names
        self._shape = shape
        self._shard_samples = shard_samples
        self._seen: set[str] = set()
        self._members: dict[str, bytes] = {}
        self._pending: list[tuple[str, int, str, str]] = []
        self._bytes = 0
        self._group = ""

    def begin(self, group: str) -> None:
        """Close the shard at hand if it is of another group."""
        if group != self._group:
            self.flush()
            self._group = group

    def add(self, sample: Sample) -> None:
        """Encode one sample; closes the shard when it is full."""
        self._check(sample)
        self._seen.add(sample.key)
        members = sample_members(sample)
        self._members.update(members)
        self._bytes += sum(len(data) for data in members.values())
        self._pending.append((sample.key, int(sample.label), sample.content_sha256, sample.source))
        if len(self._pending) >= self._shard_samples or self._bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the shard at hand, if it has a sample."""
        if not self._pending:
            return
        path = self._folder / f"shard-{len(self.shards):06d}.tar"
        sha256 = tar.write_archive(path, self._members)
        columns = [*zip(*self._pending, strict=True), (path.name,) * len(self._pending)]
        arrays = [pa.array(c, field.type) for c, field in zip(columns, INDEX_SCHEMA, strict=True)]
        self.rows.append(pa.RecordBatch.from_arrays(arrays, schema=INDEX_SCHEMA))
        self.shards.append(Shard(path.name, len(self._pending), sha256))
        self._members, self._pending, self._bytes = {}, [], 0

    def _check(self, sample: Sample) -> None:
        where = f"sample {check_key(sample.key)} ({sample.source})"
        if sample.key in self._seen:
            raise DataError(f"{where}: its key came before")
        if not 0 <= sample.label < len(self._class_names):
            raise DataError(f"{where}: label {sample.label}, wanted 0 to {len(self._class_names) - 1}")
        if sample.image.shape != self._shape or sample.image.dtype != np.uint8:
            raise DataError(
                f"{where}: image is {sample.image.dtype} {sample.image.shape}, wanted uint8 {self._shape}"
            )


def sample_members(sample: Sample) -> dict[str, bytes]:
    """The three tar members of a sample, sorted by name."""
    note = json.dumps({"source": sample.source}, sort_keys=True).encode()
    return {
        f"{sample.key}.cls": str(int(sample.label)).encode(),
        f"{sample.key}.json": note,
        f"{sample.key}.png": encode_png(sample.image),
    }


def check_space(folder: Path, count: int, image_shape: tuple[int, int, int]) -> None:
    """Refuse to start what the disk cannot hold: `count` images, taken as uncompressed.

    Raises:
        DiskError: too little free space at `folder` (or its nearest existing parent).
    """
    while not folder.exists():
        folder = folder.parent
    needed = count * (math.prod(image_shape) + _OVERHEAD)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskError(
            f"{count} images may need {needed / 2**20:.0f} MiB at {folder}, "
            f"but {free / 2**20:.0f} MiB are free"
        )
