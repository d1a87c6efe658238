"""Trusted images from outside the training set: class folders, Parquet, any size."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.errors import DataError
from asd.seeds.images import load_seed_images

CLASSES = ("cat", "dog")
SHAPE = (3, 4, 4)


def png(colour, size=(4, 4)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, format="PNG")
    return stream.getvalue()


def put(folder, name, data):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def load(place, shape=SHAPE):
    return list(load_seed_images(place, CLASSES, shape))


def write_table(path, labels, names=None):
    cells = [{"bytes": png((i, 0, 0)), "path": None} for i in range(len(labels))]
    table = pa.table({"img": cells, "label": labels})
    if names:
        note = {"info": {"features": {"label": {"names": names}}}}
        table = table.replace_schema_metadata({b"huggingface": json.dumps(note).encode()})
    pq.write_table(table, path)


def test_class_folders_give_labels_by_the_data_sets_class_names(tmp_path):
    put(tmp_path, "dog/b.png", png((1, 2, 3)))
    put(tmp_path, "cat/a.png", png((4, 5, 6)))

    samples = load(tmp_path)

    assert [(s.key, s.label, s.source) for s in samples] == [
        ("seed_000000", 0, "cat/a.png"),
        ("seed_000001", 1, "dog/b.png"),
    ]
    assert samples[0].image[:, 0, 0].tolist() == [4, 5, 6]


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 5, 9), (1, 2, 3)])
def test_images_of_any_size_are_brought_to_the_shape_of_the_data_set(tmp_path, shape):
    put(tmp_path, "cat/a.png", png((10, 10, 10), size=(30, 20)))

    (sample,) = load(tmp_path, shape)

    assert sample.image.shape == shape
    assert (sample.image == 10).all()


def test_a_folder_named_like_no_class_is_an_error_with_the_nearest_class(tmp_path):
    put(tmp_path, "cats/a.png", png((1, 1, 1)))

    with pytest.raises(DataError, match=r"cats is named like no class of the data set; did you mean 'cat'"):
        load(tmp_path)


def test_an_image_in_no_class_folder_is_an_error(tmp_path):
    put(tmp_path, "a.png", png((1, 1, 1)))

    with pytest.raises(DataError, match=r"a\.png lies in no class folder"):
        load(tmp_path)


def test_a_broken_image_is_named(tmp_path):
    put(tmp_path, "cat/a.png", png((1, 1, 1))[:40])

    with pytest.raises(DataError, match=r"broken image cat/a\.png"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("labels", "names"), [(["dog", "cat"], None), ([1, 0], None), ([0, 1], ["dog", "cat"])]
)
def test_parquet_labels_are_names_positions_or_positions_in_the_files_own_names(tmp_path, labels, names):
    write_table(tmp_path / "seeds.parquet", labels, names)

    samples = load(tmp_path / "seeds.parquet")

    assert [(s.label, int(s.image[0, 0, 0])) for s in samples] == [(1, 0), (0, 1)]


def test_a_folder_of_parquet_files_is_read_whole(tmp_path):
    write_table(tmp_path / "a.parquet", ["cat"])
    write_table(tmp_path / "b.parquet", ["dog", "cat"])

    assert [s.label for s in load(tmp_path)] == [0, 1, 0]


def test_a_parquet_label_outside_the_classes_is_an_error(tmp_path):
    write_table(tmp_path / "seeds.parquet", ["cow"])

    with pytest.raises(DataError, match="row 0 has label 'cow', which is none of 2 classes"):
        load(tmp_path / "seeds.parquet")
