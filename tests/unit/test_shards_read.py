"""Damage is noticed; layers merge into one view that does not show them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from asd import store
from asd.errors import DataError
from asd.shards import tar
from asd.shards.manifest import Manifest, read_manifest
from asd.shards.read import iter_samples, open_view
from asd.shards.verify import unchanged, verify_folder
from asd.shards.write import write_shards
from asd.types import DataView, Sample

SHAPE = (1, 4, 4)
SHARD = "shard-000000.tar"


def _sample(key: str, value: int, label: int, source: str = "base") -> Sample:
    return Sample(key, np.full(SHAPE, value, np.uint8), label, source)


def _write(
    folder: Path, samples: list[Sample], base: Manifest | None = None, trusted: bool = True
) -> Manifest:
    with store.atomic_directory(folder) as temporary:
        return write_shards(
            temporary,
            samples,
            name="toy",
            split="train",
            class_names=("a", "b"),
            image_shape=SHAPE,
            trusted=trusted,
            base=base,
            shard_samples=3,
        )


def _base(folder: Path, count: int = 7) -> Manifest:
    return _write(folder, [_sample(f"s{i}", i, i % 2, f"file#{i}") for i in range(count)])


def _restamp(folder: Path) -> None:
    """Make the manifest agree with a changed first shard, so that only the scanner can object."""
    raw = json.loads((folder / "manifest.json").read_bytes())
    raw["shards"][0]["sha256"] = store.file_sha256(folder / SHARD)
    (folder / "manifest.json").write_bytes(store.json_bytes(raw))


def _members(folder: Path) -> list[tuple[str, bytes]]:
    return list(tar.scan((folder / SHARD).read_bytes(), SHARD))


def _rewrite(folder: Path, members: list[tuple[str, bytes]], trailer: bytes = tar.TRAILER) -> None:
    whole = b"".join(tar.member(name, data) for name, data in members) + trailer
    (folder / SHARD).write_bytes(whole)
    _restamp(folder)


# -- damage ------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [SHARD, "shard-000002.tar", "index.parquet"])
def test_a_flipped_byte_is_noticed_and_the_file_named(tmp_path: Path, file: str) -> None:
    _base(tmp_path / "s")
    damaged = bytearray((tmp_path / "s" / file).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "s" / file).write_bytes(damaged)
    for check in (verify_folder, lambda folder: open_view(folder, pixel_cache=tmp_path / "cache")):
        with pytest.raises(DataError, match=rf"{file}: its SHA-256 differs from the manifest"):
            check(tmp_path / "s")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    _base(tmp_path / "s")
    (tmp_path / "s" / SHARD).unlink()
    with pytest.raises(DataError, match=f"missing shard .*{SHARD}"):
        verify_folder(tmp_path / "s")


def test_a_tar_cut_at_a_member_boundary_is_noticed_even_if_its_hash_is_right(tmp_path: Path) -> None:
    _base(tmp_path / "s")
    _rewrite(tmp_path / "s", _members(tmp_path / "s")[:6], trailer=b"")
    with pytest.raises(DataError, match="end is missing"):
        verify_folder(tmp_path / "s")


def _drop_last(members: list[tuple[str, bytes]]) -> None:
    del members[-3:]


def _add_member(members: list[tuple[str, bytes]]) -> None:
    members.append(("z.cls", b"0"))


def _add_unknown_ending(members: list[tuple[str, bytes]]) -> None:
    members.append(("z.pyd", b"0"))


def _add_path(members: list[tuple[str, bytes]]) -> None:
    members.append(("../z.cls", b"0"))


def _swap(members: list[tuple[str, bytes]]) -> None:
    members[0], members[1] = members[1], members[0]


def _double(members: list[tuple[str, bytes]]) -> None:
    members[3:6] = members[0:3]


def _rename(members: list[tuple[str, bytes]]) -> None:
    members[6:] = [(name.replace("s2", "t2"), data) for name, data in members[6:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_last, "6 members, the manifest wants 3 samples"),
        (_add_member, "10 members, the manifest wants 3 samples"),
        (_add_unknown_ending, "member 'z.pyd', wanted endings"),
        (_add_path, "bad sample key"),
        (_swap, "doubled or out of order"),
        (_double, "doubled or out of order"),
        (_rename, "sample s2 of the index is missing"),
    ],
)
def test_a_shard_of_other_members_is_refused(
    tmp_path: Path, change: Callable[[list[tuple[str, bytes]]], None], message: str
) -> None:
    _base(tmp_path / "s")
    members = _members(tmp_path / "s")
    change(members)
    _rewrite(tmp_path / "s", members)
    with pytest.raises(DataError, match=message):
        verify_folder(tmp_path / "s")


def test_a_symbolic_link_in_a_shard_is_refused(tmp_path: Path) -> None:
    _base(tmp_path / "s")
    link = tarfile.TarInfo("s3.cls")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    body = (tmp_path / "s" / SHARD).read_bytes()[: -len(tar.TRAILER)]
    (tmp_path / "s" / SHARD).write_bytes(body + link.tobuf(tarfile.USTAR_FORMAT) + tar.TRAILER)
    _restamp(tmp_path / "s")
    with pytest.raises(DataError, match="symbolic link"):
        verify_folder(tmp_path / "s")


@pytest.mark.parametrize(
    ("ending", "data", "message"),
    [
        ("cls", b"1", "the index says 0"),
        ("json", b"{}", "note differs"),
        ("png", b"not a picture", "not a PNG"),
    ],
)
def test_a_sample_that_differs_from_the_index_is_refused(
    tmp_path: Path, ending: str, data: bytes, message: str
) -> None:
    _base(tmp_path / "s")
    _rewrite(tmp_path / "s", [(n, data if n == f"s0.{ending}" else d) for n, d in _members(tmp_path / "s")])
    with pytest.raises(DataError, match=rf"sample s0.*{message}"):
        list(iter_samples(tmp_path / "s"))


def test_another_picture_than_the_index_says_is_refused(tmp_path: Path) -> None:
    _base(tmp_path / "s")
    members = dict(_members(tmp_path / "s"))
    members["s0.png"] = members["s1.png"]
    _rewrite(tmp_path / "s", list(members.items()))
    with pytest.raises(DataError, match="sample s0: its picture differs"):
        list(iter_samples(tmp_path / "s"))


def test_a_picture_larger_than_the_manifest_says_is_refused_by_its_header(tmp_path: Path) -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (5000, 4)).save(stream, "PNG")
    _base(tmp_path / "s")
    members = dict(_members(tmp_path / "s"))
    members["s0.png"] = stream.getvalue()
    _rewrite(tmp_path / "s", list(members.items()))
    with pytest.raises(DataError, match=r"wanted 4x4 pixels.*got 5000x4"):
        list(iter_samples(tmp_path / "s"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "asd-shards/9", "wanted format"),
        ("count", 8, "says 8 samples, but its shards hold 7"),
        ("count", "7", "not a manifest: count"),
        ("surprise", 1, "not a manifest: surprise"),
        ("shards", [{"name": "../x.tar", "count": 7, "sha256": "0"}], "leads out"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, field: str, value: object, message: str) -> None:
    _base(tmp_path / "s")
    raw = json.loads((tmp_path / "s" / "manifest.json").read_bytes())
    (tmp_path / "s" / "manifest.json").write_bytes(store.json_bytes({**raw, field: value}))
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "s")


def test_a_stranger_in_the_folder_is_named(tmp_path: Path) -> None:
    _base(tmp_path / "s")
    (tmp_path / "s" / "shard-000009.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"shard-000009\.tar"):
        verify_folder(tmp_path / "s")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing file .*nowhere"):
        open_view(tmp_path / "nowhere", pixel_cache=tmp_path / "cache")


def test_a_change_while_reading_is_noticed(tmp_path: Path) -> None:
    _base(tmp_path / "s")
    (tmp_path / "note").write_text("1")
    with unchanged(tmp_path / "s", tmp_path / "note"):
        pass
    with (
        pytest.raises(DataError, match="note was changed while"),
        unchanged(tmp_path / "s", tmp_path / "note"),
    ):
        (tmp_path / "note").write_text("2")
    with pytest.raises(DataError, match="s was changed while"), unchanged(tmp_path / "s"):
        _base(tmp_path / "s", count=5)


def _change_and_fail(note: Path) -> None:
    with unchanged(note):
        note.write_text("2")
        raise ValueError("first")


def test_an_error_inside_is_not_hidden_by_a_change(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("1")
    with pytest.raises(ValueError, match="first"):
        _change_and_fail(tmp_path / "note")


# -- views -------------------------------------------------------------------------------


def _layers(root: Path) -> dict[str, Path]:
    """A base, an overlay over two of its samples, extra samples, and a copy that has it all."""
    base = _base(root / "base")
    changed = {"s2": _sample("s2", 200, 1, "overlay"), "s5": _sample("s5", 201, 0, "overlay")}
    extra = [_sample("seed_0", 90, 0, "seeds#0"), _sample("seed_1", 91, 1, "seeds#1")]
    _write(root / "overlay", list(changed.values()), base=base)
    _write(root / "extra", extra)
    merged = [
        replace(changed[s.key], source=s.source) if s.key in changed else s
        for s in iter_samples(root / "base")
    ]
    _write(root / "copy", [*merged, *extra])
    return {name: root / name for name in ("base", "overlay", "extra", "copy")}


def _layered(root: Path, cache: Path) -> DataView:
    at = _layers(root)
    return open_view(at["base"], overlay=at["overlay"], extra=at["extra"], pixel_cache=cache)


def test_a_layered_view_equals_a_stand_alone_copy_in_every_field(tmp_path: Path) -> None:
    view = _layered(tmp_path, tmp_path / "cache1")
    copy = open_view(tmp_path / "copy", pixel_cache=tmp_path / "cache2")
    assert {f.name for f in fields(DataView)} == {"index", "images", "class_names", "trusted"}
    assert (view.class_names, view.trusted) == (copy.class_names, copy.trusted)
    assert np.array_equal(view.images, copy.images)
    assert (view.index.keys, view.index.content) == (copy.index.keys, copy.index.content)
    assert view.index.sources == copy.index.sources
    assert view.labels.tolist() == copy.labels.tolist()
    assert view.index.fingerprint() == copy.index.fingerprint()


def test_a_layered_view_makes_the_pixel_file_of_its_copy(tmp_path: Path) -> None:
    _layered(tmp_path, tmp_path / "cache1")
    open_view(tmp_path / "copy", pixel_cache=tmp_path / "cache2")
    files = [{p.name: p.read_bytes() for p in (tmp_path / c).iterdir()} for c in ("cache1", "cache2")]
    assert files[0] == files[1]


def test_replaced_samples_keep_their_place_and_source_and_extra_ones_come_last(tmp_path: Path) -> None:
    view = _layered(tmp_path, tmp_path / "cache")
    assert view.index.keys == ("s0", "s1", "s2", "s3", "s4", "s5", "s6", "seed_0", "seed_1")
    assert view.images[:, 0, 0, 0].tolist() == [0, 1, 200, 3, 4, 201, 6, 90, 91]
    assert view.labels.tolist() == [0, 1, 1, 1, 0, 0, 0, 0, 1]
    assert view.index.sources[2] == "file#2"


def test_an_empty_overlay_leaves_the_base_as_it_is(tmp_path: Path) -> None:
    base = _base(tmp_path / "base")
    _write(tmp_path / "overlay", [], base=base)
    view = open_view(tmp_path / "base", overlay=tmp_path / "overlay", pixel_cache=tmp_path / "cache")
    assert (
        view.index.fingerprint()
        == open_view(tmp_path / "base", pixel_cache=tmp_path / "c").index.fingerprint()
    )


def test_a_view_of_nothing_can_be_opened(tmp_path: Path) -> None:
    _write(tmp_path / "base", [])
    assert open_view(tmp_path / "base", pixel_cache=tmp_path / "cache").images.shape == (0, *SHAPE)


def test_the_pixels_are_a_read_only_map(tmp_path: Path) -> None:
    _base(tmp_path / "base")
    view = open_view(tmp_path / "base", pixel_cache=tmp_path / "cache")
    assert isinstance(view.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        view.images[0] = 1


def test_an_overlay_of_another_base_is_refused(tmp_path: Path) -> None:
    at = _layers(tmp_path)
    _base(at["base"], count=8)
    with pytest.raises(DataError, match="another version"):
        open_view(at["base"], overlay=at["overlay"], pixel_cache=tmp_path / "cache")


def test_a_plain_set_is_no_overlay_and_an_overlay_no_base(tmp_path: Path) -> None:
    at = _layers(tmp_path)
    with pytest.raises(DataError, match="not an overlay"):
        open_view(at["base"], overlay=at["extra"], pixel_cache=tmp_path / "cache")
    with pytest.raises(DataError, match="is an overlay of toy/train"):
        open_view(at["overlay"], pixel_cache=tmp_path / "cache")


def test_an_overlay_may_not_bring_new_keys_nor_extra_samples_old_ones(tmp_path: Path) -> None:
    base = _base(tmp_path / "base")
    _write(tmp_path / "overlay", [_sample("new", 1, 0)], base=base)
    _write(tmp_path / "extra", [_sample("s1", 1, 0)])
    with pytest.raises(DataError, match="sample new is not in"):
        open_view(tmp_path / "base", overlay=tmp_path / "overlay", pixel_cache=tmp_path / "cache")
    with pytest.raises(DataError, match="sample s1 is in"):
        open_view(tmp_path / "base", extra=tmp_path / "extra", pixel_cache=tmp_path / "cache")


# -- the pixel cache ---------------------------------------------------------------------


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _forge(path: Path) -> None:
    """A whole file of other contents, with a checksum that agrees."""
    with path.open("wb") as stream:
        np.save(stream, np.zeros((2, 2), np.float32))
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def _forget(path: Path) -> None:
    path.with_suffix(".sha256").unlink()


@pytest.mark.parametrize("harm", [_flip, _forge, _forget, Path.unlink])
def test_a_harmed_pixel_cache_is_rebuilt(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    _base(tmp_path / "base")
    open_view(tmp_path / "base", pixel_cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*.npy")
    before = file.read_bytes()
    harm(file)
    view = open_view(tmp_path / "base", pixel_cache=tmp_path / "cache")
    assert view.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert file.read_bytes() == before
