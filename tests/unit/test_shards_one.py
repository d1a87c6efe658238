"""Single pictures of a merged view: the right one, or an error that says why."""

import numpy as np
import pytest

from asd import store
from asd.errors import DataError
from asd.shards import tar
from asd.shards.manifest import read_manifest
from asd.shards.one import SinglePictures, open_sparsely
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.types import Sample

SHAPE = (1, 4, 4)


def sample(key, value):
    return Sample(key, np.full(SHAPE, value, np.uint8), 0, "a.bin#0")


def write(folder, samples, base=None):
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name="pets",
            split="train",
            class_names=("cat",),
            image_shape=SHAPE,
            trusted=True,
            base=base,
            shard_samples=3,
        )


@pytest.fixture
def folders(tmp_path):
    """Base k9 to k0 (not in the order of names) in four shards, k7 planted over it, two seeds behind it."""
    base, overlay, extra = (tmp_path / name for name in ("base", "overlay", "extra"))
    write(base, [sample(f"k{9 - row}", row) for row in range(10)])
    write(overlay, [sample("k7", 200)], read_manifest(base))
    write(extra, [sample("seed_0", 100), sample("seed_1", 101)])
    return base, overlay, extra


@pytest.fixture
def pictures(folders):
    base, overlay, extra = folders
    return SinglePictures(base, overlay=overlay, extra=extra)


def test_every_picture_is_that_of_the_whole_view(folders, pictures, tmp_path):
    base, overlay, extra = folders
    view = open_view(base, overlay=overlay, extra=extra, pixel_cache=tmp_path / "pixels")
    found = [
        pictures.read(row, key, content)
        for row, (key, content) in enumerate(zip(view.index.keys, view.index.content, strict=True))
    ]
    np.testing.assert_array_equal(found, view.images)
    assert found[2][0, 0, 0] == 200


@pytest.mark.parametrize(
    ("row", "key", "value"),
    [
        (0, "k9", 5),
        (3, "k8", 1),
        (5, "k9", 0),
        (12, "seed_1", 101),
        (-1, "k9", 0),
        (0, "../k9", 0),
        (0, "", 0),
    ],
)
def test_any_other_row_key_or_content_is_refused(pictures, row, key, value):
    with pytest.raises(DataError):
        pictures.read(row, key, sample("x", value).content_sha256)


def test_what_was_planted_is_not_read_from_the_base(folders, pictures):
    with pytest.raises(DataError, match="not the one that the run saw"):
        pictures.read(2, "k7", sample("k7", 2).content_sha256)
    alone = SinglePictures(folders[0])
    assert alone.read(2, "k7", sample("k7", 2).content_sha256)[0, 0, 0] == 2


def test_a_shard_that_is_gone_cut_or_replaced(folders, pictures):
    shard = folders[0] / "shard-000001.tar"
    content = sample("k6", 3).content_sha256
    assert pictures.read(3, "k6", content)[0, 0, 0] == 3
    whole = shard.read_bytes()
    shard.write_bytes(whole[:700])
    with pytest.raises(DataError, match="cut short"):
        pictures.read(3, "k6", content)
    shard.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        pictures.read(3, "k6", content)
    shard.unlink()
    with pytest.raises(DataError, match="missing"):
        pictures.read(3, "k6", content)
    shard.write_bytes(whole)
    assert pictures.read(3, "k6", content)[0, 0, 0] == 3


def test_a_changed_pixel_is_noticed(folders, pictures):
    shard = folders[0] / "shard-000000.tar"
    other = (folders[0] / "shard-000001.tar").read_bytes()
    shard.write_bytes(other)
    with pytest.raises(DataError, match=r"holds no k9\.png"):
        pictures.read(0, "k9", sample("k9", 0).content_sha256)


def test_a_sparse_view_gives_the_pictures_of_the_whole_one(folders, tmp_path, monkeypatch):
    base, _, _ = folders
    whole = open_view(base, pixel_cache=tmp_path / "cache")
    monkeypatch.setattr(tar, "members", None)  # nothing looks through a whole shard
    sparse = open_sparsely(base)
    rows = np.array([8, 0, 3])
    assert sparse.index.fingerprint() == whole.index.fingerprint()
    assert sparse.images.shape == whole.images.shape
    assert np.array_equal(sparse.images[rows], whole.images[rows])


def test_a_sparse_view_finds_what_halving_does_not(folders, monkeypatch):
    monkeypatch.setattr(tar, "find", lambda archive, name: (0, 9))
    assert open_sparsely(folders[0]).images[np.array([4])].tolist() == sample("k5", 4).image[None].tolist()


def test_a_sparse_view_refuses_a_changed_picture(folders):
    base, _, _ = folders
    shard = base / read_manifest(base).shards[0].name
    other = b"".join(
        tar.member(name, data if name != "k9.png" else data[:-20] + bytes(20))
        for name, data in tar.scan(shard.read_bytes(), "x")
    )
    shard.write_bytes(other + tar.TRAILER)
    with pytest.raises(DataError, match="k9"):
        open_sparsely(base).images[np.array([0])]
