"""Sheets as files: what each picture shows, and that the same data gives the same bytes."""

import numpy as np
import pytest
from PIL import Image

from asd import store
from asd.errors import DataError
from asd.seeds import sheets
from asd.seeds.numbers import read_numbers
from asd.shards.write import write_shards
from asd.types import Sample

NAMES = ("cat", "CAT", "<b>big</b> owl/..")


def colour(i):
    return (5 * i % 256, 250 - i, 40 + i)


def write_train(folder, count=135, shape=(3, 16, 16), same=False):
    samples = [
        Sample(
            f"train_{i:04d}",
            np.broadcast_to(
                np.array(colour(0 if same else i), np.uint8)[: shape[0], None, None], shape
            ).copy(),
            i % 3,
            f"train.parquet#{i}",
        )
        for i in range(count)
    ]
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name="pets",
            split="train",
            class_names=NAMES,
            image_shape=shape,
            trusted=False,
        )
    return folder


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return write_train(tmp_path_factory.mktemp("data") / "train")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_number_stands_below_the_picture_of_its_key(train, tmp_path):
    made = sheets.write_sheets(train, tmp_path / "s", per_class=9)

    page = made.pages[1]
    with Image.open(tmp_path / "s" / page.file) as opened:
        picture = opened.copy()
    assert picture.size == (8 * 140, 36 + 2 * 158)
    for place, shown in enumerate(page.pictures):
        middle = (place % 8 * 140 + 70, 36 + place // 8 * 158 + 70)
        assert picture.getpixel(middle) == colour(int(shown.key[-4:]))
    assert [shown.number for shown in page.pictures] == list(range(1, 10))


def test_the_same_command_gives_the_same_files(train, tmp_path):
    for name in ("a", "b"):
        sheets.write_sheets(train, tmp_path / name, per_class=9)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_number_means_the_same_picture_when_more_are_shown_or_one_source_is_left(train, tmp_path):
    few, many, one = (
        {(s.class_name, s.number): s.key for p in made.pages for s in p.pictures}
        for made in (
            sheets.write_sheets(train, tmp_path / "few", 5),
            sheets.write_sheets(train, tmp_path / "many", 45),
            sheets.write_sheets(train, tmp_path / "one", 5, ["train.*"]),
        )
    )

    assert (len(few), len(many)) == (15, 135)
    assert few.items() <= many.items()
    assert one == few


def test_a_long_class_is_cut_into_sheets_and_names_are_fit_for_files(train, tmp_path):
    made = sheets.write_sheets(train, tmp_path / "s", per_class=45)

    files = [page.file for page in made.pages]
    assert files == [
        "0000-cat-1.png",
        "0000-cat-2.png",
        "0001-CAT-1.png",
        "0001-CAT-2.png",
        "0002-_b_big_b_owl_-1.png",
        "0002-_b_big_b_owl_-2.png",
    ]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == sorted(
        [*files, "index.html", "numbers.csv"]
    )
    assert [len(page.pictures) for page in made.pages] == [40, 5] * 3


def test_the_page_escapes_names_and_gives_a_command_that_a_shell_takes(train, tmp_path):
    sheets.write_sheets(train, tmp_path / "s", per_class=2)

    page = (tmp_path / "s" / "index.html").read_text()
    assert "<b>" not in page
    assert "asd seeds add --class &#39;&lt;b&gt;big&lt;/b&gt; owl/..&#39; 3,7,12 --by NAME" in page
    assert "because a trigger can be invisible" in page
    assert "<script" not in page


def test_the_numbers_file_knows_key_and_picture(train, tmp_path):
    made = sheets.write_sheets(train, tmp_path / "s", per_class=3)

    assert read_numbers(tmp_path / "s") == tuple(shown for page in made.pages for shown in page.pictures)


def test_pictures_are_read_in_parts_that_fit_into_memory(train, tmp_path, monkeypatch):
    sheets.write_sheets(train, tmp_path / "whole", per_class=9)
    monkeypatch.setattr(sheets, "_MOST_BYTES", 9 * 3 * 16 * 16)
    sheets.write_sheets(train, tmp_path / "parts", per_class=9)

    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


@pytest.mark.parametrize(
    ("shape", "side", "columns"), [((1, 28, 20), 128, 8), ((3, 150, 150), 150, 6), ((3, 300, 10), 192, 6)]
)
def test_small_pictures_are_enlarged_and_large_ones_reduced(tmp_path, shape, side, columns):
    train = write_train(tmp_path / "train", count=3, shape=shape)

    made = sheets.write_sheets(train, tmp_path / "s", per_class=1)

    with Image.open(tmp_path / "s" / made.pages[0].file) as sheet:
        assert sheet.size == (columns * (side + 12), 36 + side + 30)


def test_data_whose_pictures_all_have_several_labels_has_nothing_to_show(tmp_path):
    train = write_train(tmp_path / "train", count=3, same=True)

    with pytest.raises(DataError, match="no picture to show"):
        sheets.write_sheets(train, tmp_path / "s", per_class=1)


@pytest.mark.parametrize(
    ("text", "drawn"), [("grüne Kreise", "grune Kreise"), ("weiß", "wei?"), ("猫 a", "? a")]
)
def test_titles_hold_only_what_can_be_drawn(text, drawn):
    assert sheets.drawable(text) == drawn
