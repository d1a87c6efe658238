"""Read shards: strictly, one shard in memory at a time, layers merged into one view.

Only this module knows that a set may lie in layers. Nothing in what it returns tells which
sample came from which.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.errors import DataError
from asd.shards import tar
from asd.shards.keys import check_key
from asd.shards.manifest import Manifest, Shard, read_index, read_index_table, read_manifest, to_index
from asd.shards.pixels import cached_pixels
from asd.shards.png import decode_png
from asd.types import DataView, Images, Sample, SampleIndex, content_sha256

__all__ = ["iter_samples", "open_view", "read_index", "read_manifest"]

_ENDINGS = ("cls", "json", "png")


def iter_samples(folder: Path) -> Iterator[Sample]:
    """Every sample of a folder in manifest order, decoded one by one.

    Raises:
        DataError: a shard, the index or a sample is not what the manifest says.
    """
    return Layer.open(folder).samples()


def open_view(
    base: Path, *, overlay: Path | None = None, extra: Path | None = None, pixel_cache: Path
) -> DataView:
    """The samples of `base`, those of `overlay` in their place, those of `extra` at the end.

    Hashes and counts of all layers are verified; pixels are decoded once into `pixel_cache`.

    Raises:
        DataError: a layer is damaged, the overlay belongs to another base, or keys clash.
    """
    layers = [Layer.open(base)]
    if layers[0].manifest.base is not None:
        raise DataError(f"{base} is an overlay of {layers[0].manifest.base.name}; open that first")
    place = {key: i for i, key in enumerate(layers[0].index.keys)}
    if overlay is not None:
        layers.append(Layer.open(overlay))
        _check_overlay(layers[-1], layers[0], place)
    if extra is not None:
        layers.append(Layer.open(extra))
        _check_extra(layers[-1], layers[0], place)
        place.update({key: i for i, key in enumerate(layers[-1].index.keys, start=len(place))})
    index = _merge_indexes([layer.index for layer in layers], place)
    for layer in layers:
        layer.check_hashes()

    manifest = layers[0].manifest
    shape = (len(index), *manifest.image_shape)
    fill = functools.partial(_decode_into, layers, place)
    pixels = cached_pixels(pixel_cache, index.fingerprint(), shape, fill)
    return DataView(index, pixels, manifest.class_names, manifest.trusted)


def _decode_into(layers: list[Layer], place: dict[str, int], pixels: Images) -> None:
    """Decode what no later layer replaces into its row of `pixels`, shape (N, C, H, W)."""
    later = {key for layer in layers[1:] for key in layer.index.keys}
    for number, layer in enumerate(layers):
        for sample in layer.samples(skip=later if number == 0 else frozenset()):
            pixels[place[sample.key]] = sample.image


def _check_overlay(layer: Layer, base: Layer, place: dict[str, int]) -> None:
    found = layer.manifest.base
    if found is None:
        raise DataError(f"{layer.folder} is not an overlay: its manifest names no base")
    if found.sha256 != base.manifest.sha256:
        raise DataError(f"{layer.folder} lies over another version of {found.name} than {base.folder}")
    _check_alike(layer, base)
    unknown = [key for key in layer.index.keys if key not in place]
    if unknown:
        raise DataError(f"{layer.folder}: sample {unknown[0]} is not in {base.folder}")


def _check_extra(layer: Layer, base: Layer, place: dict[str, int]) -> None:
    _check_alike(layer, base)
    doubled = [key for key in layer.index.keys if key in place]
    if doubled:
        raise DataError(f"{layer.folder}: sample {doubled[0]} is in {base.folder} too")


def _check_alike(layer: Layer, base: Layer) -> None:
    for field in ("image_shape", "class_names"):
        got, wanted = getattr(layer.manifest, field), getattr(base.manifest, field)
        if got != wanted:
            raise DataError(f"{layer.folder}: wanted the {field} {wanted} of {base.folder}, got {got}")


def _merge_indexes(indexes: list[SampleIndex], place: dict[str, int]) -> SampleIndex:
    """One index over all layers; a replaced sample keeps its source in the base."""
    labels = np.zeros(len(place), np.int64)
    content = [""] * len(place)
    sources: dict[str, str] = {}
    for index in indexes:
        for i, key in enumerate(index.keys):
            at = place[key]
            labels[at], content[at] = index.labels[i], index.content[i]
            sources.setdefault(key, index.sources[i])
    labels.flags.writeable = False
    return SampleIndex(tuple(place), labels, tuple(content), tuple(sources[key] for key in place))


@dataclass(frozen=True)
class Layer:
    """One folder of shards with its manifest and its index."""

    folder: Path
    manifest: Manifest
    index: SampleIndex

    @classmethod
    def open(cls, folder: Path) -> Layer:
        """Read manifest and index; the shards themselves are not touched yet."""
        manifest = read_manifest(folder)
        index = to_index(read_index_table(folder, manifest))
        if len(set(index.keys)) != len(index.keys):
            raise DataError(f"{folder}: a key stands twice in its index")
        return cls(folder, manifest, index)

    def check_hashes(self) -> None:
        """Hash every shard.

        Raises:
            DataError: a shard is missing or is not the one of the manifest.
        """
        for shard in self.manifest.shards:
            _read_archive(self.folder / shard.name, shard)

    def verify(self) -> None:
        """Hash and scan every shard; nothing is decoded.

        Raises:
            DataError: a shard is not what the manifest and the index say.
        """
        for shard, start in self._starts():
            read_members(self.folder / shard.name, shard, self.index.keys[start : start + shard.count])

    def samples(self, skip: frozenset[str] | set[str] = frozenset()) -> Iterator[Sample]:
        """The samples in manifest order but those in `skip`, each checked against the index."""
        for shard, start in self._starts():
            keys = self.index.keys[start : start + shard.count]
            members = read_members(self.folder / shard.name, shard, keys)
            for i, key in enumerate(keys, start):
                if key not in skip:
                    yield self._sample(i, members, f"{self.folder / shard.name}: sample {key}")

    def _starts(self) -> Iterator[tuple[Shard, int]]:
        start = 0
        for shard in self.manifest.shards:
            yield shard, start
            start += shard.count

    def _sample(self, i: int, members: dict[str, bytes], where: str) -> Sample:
        key, label, source = self.index.keys[i], int(self.index.labels[i]), self.index.sources[i]
        if members[f"{key}.cls"] != str(label).encode():
            raise DataError(f"{where}: its label is {members[f'{key}.cls']!r}, the index says {label}")
        if members[f"{key}.json"] != json.dumps({"source": source}, sort_keys=True).encode():
            raise DataError(f"{where}: its note differs from the index")
        image = decode_png(members[f"{key}.png"], self.manifest.image_shape, where)
        if content_sha256(image) != self.index.content[i]:
            raise DataError(f"{where}: its picture differs from the index")
        return Sample(key, image, label, source)


def read_members(path: Path, shard: Shard, keys: tuple[str, ...]) -> dict[str, bytes]:
    """Name -> bytes of every member of one tar, which must hold just `keys`.

    Raises:
        DataError: missing, another hash or count, or not a strict archive of these samples.
    """
    archive = _read_archive(path, shard)
    members: dict[str, bytes] = {}
    before = ""
    for name, data in tar.scan(archive, str(path)):
        key, _, ending = name.partition(".")
        check_key(key)
        if ending not in _ENDINGS:
            raise DataError(f"{path}: member {name!r}, wanted endings {', '.join(_ENDINGS)}")
        if name <= before:
            raise DataError(f"{path}: member {name!r} is doubled or out of order (after {before!r})")
        members[name] = data
        before = name
    if len(members) != len(_ENDINGS) * shard.count:
        raise DataError(f"{path}: {len(members)} members, the manifest wants {shard.count} samples of three")
    missing = [key for key in keys for ending in _ENDINGS if f"{key}.{ending}" not in members]
    if missing:
        raise DataError(f"{path}: sample {missing[0]} of the index is missing or not whole")
    return members


def _read_archive(path: Path, shard: Shard) -> bytes:
    try:
        archive = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"missing shard {path}") from error
    if hashlib.sha256(archive).hexdigest() != shard.sha256:
        raise DataError(f"{path}: its SHA-256 differs from the manifest; the shard was changed or damaged")
    return archive
