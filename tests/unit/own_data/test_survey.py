"""One look at every picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asd.datasets._base import is_held_out
from asd.own_data.forms import find_form
from asd.own_data.survey import Survey, survey
from asd.progress import Reporter
from tests.unit.own_data.pictures import class_folders, encoded, write


def look(data: Path) -> Survey:
    return survey(find_form(data), Reporter("init", "x", io.StringIO()))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "pets", {"cat": 20, "dog": 12})


def test_pictures_are_counted_by_class_as_they_would_be_fetched(pets: Path) -> None:
    seen = look(pets)
    assert (seen.class_names, seen.counts, seen.readable) == (("cat", "dog"), (20, 12), 32)
    for share, counts in seen.held_out.items():
        by_hand = [
            sum(is_held_out(file.read_bytes(), share) for file in (pets / name).iterdir())
            for name in ("cat", "dog")
        ]
        assert list(counts) == by_hand


def test_a_table_beside_class_folders_is_named_with_why_it_is_not_used(pets: Path) -> None:
    write(pets / "meta.csv", b"picture_path,label\ncat/0000.png,cat\n")
    (note,) = look(pets).form.notes
    assert note == (
        "meta.csv is no labels file: its first line (picture_path, label) names no path (path, image, file, "
        "filename...), so it is not used"
    )


def test_sizes_are_least_median_and_most(pets: Path) -> None:
    for i, (wide, high) in enumerate([(4, 40), (100, 50), (30, 90)]):
        stream = io.BytesIO()
        Image.new("RGB", (wide, high), (i, 9, 0)).save(stream, "PNG")
        write(pets / "cat" / f"odd{i}.png", stream.getvalue())
    sizes = look(pets).sizes
    assert sizes is not None
    assert (sizes.smallest, sizes.median, sizes.largest) == ((4, 40), (16, 16), (100, 50))
    assert (sizes.aspect, sizes.alike, sizes.tiny) == ((0.1, 1.0, 2.0), False, 1)


def test_modes_and_colour_are_told_apart(pets: Path) -> None:
    for mode in ("L", "RGBA", "P"):
        write(pets / "dog" / f"{mode}.png", encoded(900, mode=mode))
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(pets / "dog" / "deep.png")
    Image.new("RGB", (9, 9), (7, 7, 7)).save(pets / "dog" / "grey.png")
    seen = look(pets)
    assert seen.modes == {"I;16": 1, "L": 1, "P": 1, "RGB": 33, "RGBA": 1}
    assert (seen.grey, seen.brightest) == (3, 40_000)


def test_what_cannot_be_read_is_named_with_its_reason(pets: Path) -> None:
    write(pets / "cat" / "paper.pdf", b"%PDF-1.4")
    write(pets / "notes.txt", b"x")
    write(pets / "dog" / "cut.png", encoded(1)[:200])
    seen = look(pets)
    assert seen.unreadable == 3
    reasons = dict(seen.unreadable_places)
    assert reasons["notes.txt"] == "lies in no class folder"
    assert reasons["cat/paper.pdf"] == "not a PNG, JPEG, WEBP, BMP, GIF picture"
    assert reasons["dog/cut.png"]
    assert seen.readable == 32


def test_equal_pixels_are_found_however_they_are_encoded(pets: Path) -> None:
    # the first cat once more as BMP, and under the other label
    write(pets / "cat" / "copy.bmp", encoded(0, form="BMP"))
    write(pets / "dog" / "copy.png", encoded(0))
    found = look(pets).duplicates
    assert (found.copies, found.two_labels, found.in_both_parts) == (2, 1, 0)
    assert found.two_label_examples == (("dog/copy.png", "cat/0000.png"),)


def test_a_picture_of_both_parts_is_counted(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"cat": 6, "dog": 6})
    class_folders(tmp_path / "test", {"cat": 2, "dog": 2}, start=5)
    seen = look(tmp_path)
    assert seen.duplicates.in_both_parts == 4
    assert (seen.counts, seen.test_counts) == ((6, 6), (2, 2))


def test_progress_is_said_while_it_reads(pets: Path) -> None:
    out = io.StringIO()
    survey(find_form(pets), Reporter("init", "pets", out))
    assert [line.split("  ")[0] for line in out.getvalue().splitlines()][:2] == [
        "init pets: pictures 3/32",
        "init pets: pictures 6/32",
    ]
