"""GTSRB from Parquet and from the official archives, on a few real signs in the same layout."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from asd.datasets import gtsrb
from asd.datasets._base import Split
from asd.errors import DataError
from asd.progress import Reporter
from asd.types import Sample
from tests.unit.real_pictures import encoded, pictures, put

QUIET = Reporter("fetch", "gtsrb", io.StringIO())
CLASSES, TRACKS = 43, 2
HEAD = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"


def sign(number: int) -> Image.Image:
    return pictures("gtsrb", CLASSES * TRACKS)[number].resize((30 + number % 7, 33))


def load(source: Path, split: Split, **params: int) -> list[Sample]:
    loaded = gtsrb.load(gtsrb.Params(**params), split, source, QUIET)
    samples = list(loaded.samples)
    assert len(samples) == loaded.count
    assert loaded.trusted
    assert loaded.class_names == gtsrb.CLASS_NAMES
    return samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked archives: two tracks of one frame a class, one test picture a class."""
    root = tmp_path_factory.mktemp("gtsrb")
    images = root / "GTSRB" / "Final_Training" / "Images"
    for label in range(CLASSES):
        lines = [HEAD]
        for track in range(TRACKS):
            name = f"{track:05d}_00007.ppm"
            put(images / f"{label:05d}" / name, encoded(sign(TRACKS * label + track), "PPM"))
            lines.append(f"{name};30;33;5;5;25;25;{label}\n")
        (images / f"{label:05d}" / f"GT-{label:05d}.csv").write_text("".join(lines))
    lines = [HEAD]
    for number in range(CLASSES):
        put(root / "GTSRB" / "Final_Test" / "Images" / f"{number:05d}.ppm", encoded(sign(number), "PPM"))
        lines.append(f"{number:05d}.ppm;30;33;5;5;25;25;{CLASSES - 1 - number}\n")
    bare = [line.rsplit(";", 1)[0] + "\n" for line in lines]
    (root / "GTSRB" / "Final_Test" / "Images" / "GT-final_test.test.csv").write_text("".join(bare))
    (root / "GT-final_test.csv").write_text("".join(lines))
    return root


@pytest.fixture
def unpacked(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "unpacked"))


@pytest.fixture
def zipped(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "zipped"
    folder.mkdir()
    parts = {"GTSRB_Final_Training_Images.zip": "Final_Training", "GTSRB_Final_Test_Images.zip": "Final_Test"}
    for name, part in parts.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted((made / "GTSRB" / part).rglob("*.*")):
                archive.write(file, file.relative_to(made).as_posix())
    with zipfile.ZipFile(folder / "GTSRB_Final_Test_GT.zip", "w") as archive:
        archive.write(made / "GT-final_test.csv", "GT-final_test.csv")
    return folder


def test_the_43_classes_have_names_of_their_own() -> None:
    assert len(set(gtsrb.CLASS_NAMES)) == CLASSES
    assert (gtsrb.CLASS_NAMES[3], gtsrb.CLASS_NAMES[14], gtsrb.CLASS_NAMES[40]) == (
        "speed limit 60",
        "stop",
        "roundabout",
    )


def test_labels_keys_and_pixels_of_the_unpacked_archive(unpacked: Path) -> None:
    train, test = load(unpacked, "train"), load(unpacked, "test")
    assert [sample.label for sample in train] == [label for label in range(CLASSES) for _ in range(TRACKS)]
    assert [sample.label for sample in test] == list(reversed(range(CLASSES)))
    one = train[2 * 7 + 1]
    assert (one.key, one.source) == ("train_00007_00001_00007", "Final_Training/Images/00007/00001_00007.ppm")
    wanted = np.asarray(sign(2 * 7 + 1).resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(one.image, wanted.transpose(2, 0, 1))
    assert test[0].key == "test_00000"


def test_the_zips_give_what_their_folders_give(zipped: Path, unpacked: Path) -> None:
    for split in ("train", "test"):
        facts = [
            [(s.key, s.label, s.source, s.content_sha256) for s in load(source, split)]
            for source in (zipped, unpacked)
        ]
        assert facts[0] == facts[1]


def test_parquet_with_class_ids(tmp_path: Path) -> None:
    for split in ("train", "test"):
        cells = [{"bytes": encoded(sign(i)), "path": None} for i in range(CLASSES)]
        pq.write_table(pa.table({"img": cells, "label": list(range(CLASSES))}), tmp_path / f"{split}.parquet")
    samples = load(tmp_path, "train", image_size=24)
    assert [sample.label for sample in samples] == list(range(CLASSES))
    assert samples[5].image.shape == (3, 24, 24)
    assert samples[5].key == "train_000005"


def test_parquet_without_a_class_is_refused(tmp_path: Path) -> None:
    cells = [{"bytes": encoded(sign(i)), "path": None} for i in range(41)]
    pq.write_table(pa.table({"img": cells, "label": list(range(41))}), tmp_path / "train.parquet")
    with pytest.raises(
        DataError, match=r"2 classes have fewer than 1 pictures: end of no passing \(0\), end"
    ):
        load(tmp_path, "train")


def test_a_missing_class_folder_is_named(unpacked: Path) -> None:
    shutil.rmtree(unpacked / "GTSRB" / "Final_Training" / "Images" / "00042")
    with pytest.raises(DataError, match="lacks 1 of 43 class folders, such as 00042"):
        load(unpacked, "train")


def test_a_class_without_a_picture_is_named(unpacked: Path) -> None:
    folder = unpacked / "GTSRB" / "Final_Training" / "Images" / "00014"
    (folder / "GT-00014.csv").write_text(HEAD)
    with pytest.raises(DataError, match=r"1 classes have fewer than 1 pictures: stop \(0\)"):
        load(unpacked, "train")


def test_a_line_of_another_class_is_named(unpacked: Path) -> None:
    folder = unpacked / "GTSRB" / "Final_Training" / "Images" / "00014"
    text = (folder / "GT-00014.csv").read_text()
    (folder / "GT-00014.csv").write_text(text.replace(";14\n", ";15\n", 1))
    with pytest.raises(DataError, match=r"GT-00014\.csv gives 00000_00007\.ppm the class 15"):
        load(unpacked, "train")


def test_a_class_beyond_the_last_is_named(unpacked: Path) -> None:
    (unpacked / "GT-final_test.csv").write_text(HEAD + "00000.ppm;30;33;5;5;25;25;43\n")
    with pytest.raises(DataError, match=r"line 2 has class '43', wanted 0 to 42"):
        load(unpacked, "test")


def test_a_missing_picture_is_named(unpacked: Path) -> None:
    (unpacked / "GTSRB" / "Final_Test" / "Images" / "00011.ppm").unlink()
    with pytest.raises(DataError, match=r"cannot read Final_Test/Images/00011\.ppm: No such file"):
        load(unpacked, "test")


def test_test_pictures_without_labels_ask_for_the_right_archive(unpacked: Path) -> None:
    (unpacked / "GT-final_test.csv").unlink()
    with pytest.raises(DataError, match=r"not their labels: wanted GTSRB_Final_Test_GT\.zip"):
        load(unpacked, "test")


def test_an_empty_folder_says_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no GTSRB: wanted train\.parquet .* GTSRB_Final_Training_Images"):
        load(tmp_path, "train")


def test_a_zip_of_something_else_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "GTSRB_Final_Training_Images.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match="has no folder GTSRB/Final_Training/Images"):
        load(tmp_path, "train")
    file.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(DataError, match="cannot be unpacked: File is not a zip file"):
        load(tmp_path, "train")


def test_a_member_that_would_fill_the_memory_is_refused(zipped: Path, tmp_path: Path) -> None:
    file = zipped / "GTSRB_Final_Test_Images.zip"
    whole = zipfile.ZipFile(file)
    with whole, zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in whole.namelist():
            data = bytes(2**23) if name.endswith("00003.ppm") else whole.read(name)
            bomb.writestr(name, data)
    (tmp_path / "bomb.zip").replace(file)
    with pytest.raises(DataError, match=r"00003\.ppm would take 8388608 bytes unpacked"):
        load(zipped, "test")
