"""Writing and reading back shards."""

from __future__ import annotations

import gc
import json
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from asd import store
from asd.errors import DataError, DiskError
from asd.shards.keys import check_key
from asd.shards.manifest import Manifest, read_index, read_manifest
from asd.shards.read import iter_samples
from asd.shards.write import check_space, write_shards
from asd.types import Sample


def _samples(count: int, channels: int = 3) -> list[Sample]:
    rng = np.random.Generator(np.random.PCG64(5))
    shape = (count, channels, 6, 5)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    # Keys out of alphabetical order: the manifest keeps the order in which they come.
    return [Sample(f"k{(7 * i) % count:03d}", images[i], i % 3, f"made up#{i} ü") for i in range(count)]


def _write(folder: Path, samples: list[Sample], **settings: object) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    channels = samples[0].image.shape[0] if samples else 3
    whole = {"name": "toy", "split": "train", "class_names": ("a", "b", "c"), "trusted": True, **settings}
    return write_shards(folder, samples, image_shape=(channels, 6, 5), **whole)  # type: ignore[arg-type]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _same(got: list[Sample], wanted: list[Sample]) -> bool:
    return len(got) == len(wanted) and all(
        (g.key, g.label, g.source) == (w.key, w.label, w.source) and np.array_equal(g.image, w.image)
        for g, w in zip(got, wanted, strict=True)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_come_back_as_they_were(tmp_path: Path, channels: int) -> None:
    samples = _samples(10, channels)
    _write(tmp_path / "s", samples, shard_samples=4)
    assert _same(list(iter_samples(tmp_path / "s")), samples)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    _write(tmp_path / "a", _samples(10), shard_samples=4)
    _write(tmp_path / "b", _samples(10), shard_samples=4)
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def test_members_are_sorted_and_without_clock_or_owner(tmp_path: Path) -> None:
    _write(tmp_path / "s", _samples(5))
    with tarfile.open(tmp_path / "s" / "shard-000000.tar") as archive:
        entries = archive.getmembers()
    names = [entry.name for entry in entries]
    assert names == sorted(names)
    assert names[:3] == ["k000.cls", "k000.json", "k000.png"]
    assert {(entry.mtime, entry.uid, entry.gid, entry.uname) for entry in entries} == {(0, 0, 0, "")}


def test_the_manifest_counts_and_hashes_every_shard(tmp_path: Path) -> None:
    written = _write(tmp_path / "s", _samples(10), shard_samples=4)
    assert read_manifest(tmp_path / "s") == written
    assert [shard.count for shard in written.shards] == [4, 4, 2]
    for shard in written.shards:
        assert store.file_sha256(tmp_path / "s" / shard.name) == shard.sha256
    assert written.sha256 == store.file_sha256(tmp_path / "s" / "manifest.json")


def test_the_index_keeps_the_order_in_which_the_samples_came(tmp_path: Path) -> None:
    samples = _samples(10)
    _write(tmp_path / "s", samples, shard_samples=4)
    index = read_index(tmp_path / "s")
    assert index.keys == tuple(sample.key for sample in samples)
    assert index.labels.tolist() == [sample.label for sample in samples]
    assert index.content == tuple(sample.content_sha256 for sample in samples)


def test_a_set_of_no_samples_is_a_set(tmp_path: Path) -> None:
    assert _write(tmp_path / "s", []).count == 0
    assert list(iter_samples(tmp_path / "s")) == []


def test_stock_webdataset_reads_identical_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WDS_SECURE", "1")
    samples = _samples(10)
    written = _write(tmp_path / "s", samples, shard_samples=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # webdataset leaves its files open
        import webdataset

        urls = [str(tmp_path / "s" / shard.name) for shard in written.shards]
        found = {x["__key__"]: x for x in webdataset.WebDataset(urls, shardshuffle=False)}
        gc.collect()
    from asd.shards.png import decode_png

    assert set(found) == {sample.key for sample in samples}
    for sample in samples:
        parts = found[sample.key]
        assert int(parts["cls"]) == sample.label
        assert json.loads(parts["json"]) == {"source": sample.source}
        assert np.array_equal(decode_png(parts["png"], (3, 6, 5), "x"), sample.image)


def test_an_overlay_names_its_base(tmp_path: Path) -> None:
    base = _write(tmp_path / "base", _samples(10))
    overlay = _write(tmp_path / "over", _samples(2), base=base)
    assert overlay.base is not None
    assert (overlay.base.name, overlay.base.sha256) == ("toy/train", base.sha256)


def test_other_keys_than_the_order_says_are_refused(tmp_path: Path) -> None:
    samples = _samples(3)
    order = [sample.key for sample in samples]
    _write(tmp_path / "good", samples, order=order)
    with pytest.raises(DataError, match=r"ended before 'later'; wanted 4"):
        _write(tmp_path / "short", samples, order=[*order, "later"])
    with pytest.raises(DataError, match=f"wanted sample {order[1]!r} next"):
        _write(tmp_path / "swapped", [samples[0], samples[2]], order=order)


def test_a_doubled_key_is_refused_even_across_shards(tmp_path: Path) -> None:
    samples = _samples(3)
    with pytest.raises(DataError, match=rf"sample {samples[0].key} .* came before"):
        _write(tmp_path / "s", [*samples, samples[0]], shard_samples=1)


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "ä", "k" * 91, "a b", "a\n"])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(DataError, match="bad sample key"):
        check_key(key)


def test_a_label_outside_the_classes_is_refused(tmp_path: Path) -> None:
    image = np.zeros((3, 6, 5), np.uint8)
    with pytest.raises(DataError, match=r"sample x \(there\): label 3, wanted 0 to 2"):
        _write(tmp_path / "s", [Sample("x", image, 3, "there")])


def test_an_image_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wanted uint8 \(3, 6, 5\)"):
        _write(tmp_path / "s", [Sample("x", np.zeros((3, 6, 6), np.uint8), 0, "there")])


def test_a_full_disk_is_noticed_before_writing(tmp_path: Path) -> None:
    check_space(tmp_path / "not yet" / "there", 10, (3, 32, 32))
    with pytest.raises(DiskError, match="MiB are free"):
        check_space(tmp_path, 10**12, (3, 32, 32))
