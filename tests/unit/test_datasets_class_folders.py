"""ImageNet's and VGGFace2's folders, on a few real photographs in the same layout."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from asd.datasets import imagenet_subset, vggface2
from asd.datasets._base import Split, is_held_out
from asd.datasets._decode import decode_picture
from asd.datasets._obtain import chosen_files, obtain
from asd.errors import DataError
from asd.layout import Layout
from asd.params import Variant
from asd.progress import Reporter
from asd.sources import set_source
from asd.types import Sample
from tests.unit.real_pictures import encoded, pictures, put

QUIET = Reporter("fetch", "x", io.StringIO())
WNIDS = tuple(imagenet_subset.CLASSES)
SMALL = {"least_train": 2, "least_val": 1, "image_size": 32}


def photograph(number: int) -> bytes:
    wide = pictures("imagenet_seed", 95)[number % 95].resize((60 + number % 9, 48))
    return encoded(wide)


def load(module: Any, source: Path, split: Split, **params: object) -> list[Sample]:
    loaded = module.load(module.Params(**params), split, source, QUIET)
    samples = list(loaded.samples)
    assert len(samples) == loaded.count
    assert loaded.trusted
    assert {sample.image.shape for sample in samples} == {loaded.image_shape}
    return samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training pictures and one of val of each of the thirty classes, and a class of no interest."""
    root = tmp_path_factory.mktemp("imagenet")
    for number, wnid in enumerate((*WNIDS, "n01440764")):
        for i in range(2):
            put(root / "train" / wnid / f"{wnid}_{i}.JPEG", photograph(3 * number + i))
        put(root / "val" / wnid / f"ILSVRC2012_val_{number:08d}.JPEG", photograph(3 * number + 2))
    return root


@pytest.fixture
def imagenet(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "imagenet"))


def variant(module: Any, **params: object) -> Variant:
    name = module.__name__.rpartition(".")[2]
    return Variant(name, name, module, module.Params(**params))


# -- the square ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (300, 1000), (40, 50)])
def test_256_and_224_are_torchvisions(size: tuple[int, int]) -> None:
    from torchvision.transforms import v2

    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    wanted = v2.Compose([v2.Resize(256), v2.CenterCrop(224)])(picture)
    found = decode_picture(encoded(picture, "PNG"), "x", image_size=224, fit="center_crop")
    assert np.array_equal(found, np.asarray(wanted).transpose(2, 0, 1))


# -- ImageNet ------------------------------------------------------------------------------


def test_thirty_classes_in_the_order_of_their_ids(imagenet: Path) -> None:
    assert len(WNIDS) == 30
    assert list(WNIDS) == sorted(WNIDS)
    train = load(imagenet_subset, imagenet, "train", **SMALL)
    assert [sample.label for sample in train] == [label for label in range(30) for _ in range(2)]
    assert train[3].source == f"train/{WNIDS[1]}/{WNIDS[1]}_1.JPEG"
    wanted = decode_picture(photograph(3 + 1), "x", image_size=32, fit="center_crop")
    assert np.array_equal(train[3].image, wanted)
    test = load(imagenet_subset, imagenet, "test", **SMALL)
    assert [sample.label for sample in test] == list(range(30))
    loaded = imagenet_subset.load(imagenet_subset.Params(**SMALL), "test", imagenet, QUIET)
    assert loaded.class_names[0] == "great white shark"


def test_the_paper_scale_is_224() -> None:
    assert imagenet_subset.Params().image_size == vggface2.Params().image_size == 224


def test_the_competitions_own_folders_are_found(imagenet: Path) -> None:
    moved = imagenet / "ILSVRC" / "Data" / "CLS-LOC"
    moved.mkdir(parents=True)
    for part in ("train", "val"):
        (imagenet / part).rename(moved / part)
    assert len(load(imagenet_subset, imagenet, "train", **SMALL)) == 60


def test_missing_classes_are_counted_and_named(imagenet: Path) -> None:
    for wnid in WNIDS[:5]:
        shutil.rmtree(imagenet / "train" / wnid)
    named = ", ".join(WNIDS[:3])
    with pytest.raises(DataError, match=f"train lacks 5 of 30 classes: {named} and 2 more; wanted a folder"):
        load(imagenet_subset, imagenet, "train", **SMALL)


def test_a_class_with_too_few_pictures_is_named(imagenet: Path) -> None:
    (imagenet / "train" / WNIDS[4] / f"{WNIDS[4]}_0.JPEG").unlink()
    with pytest.raises(DataError, match=rf"1 classes have fewer than 2 pictures: {WNIDS[4]} \(1\)"):
        load(imagenet_subset, imagenet, "train", **SMALL)
    with pytest.raises(DataError, match=r"30 classes have fewer than 700 pictures: n01484850 \(2\), n0"):
        load(imagenet_subset, imagenet, "train")


def test_a_flat_val_says_what_was_wanted(imagenet: Path) -> None:
    shutil.rmtree(imagenet / "val")
    with pytest.raises(DataError, match=r"has no folder 'val' of ImageNet: wanted train/ and val/, each"):
        load(imagenet_subset, imagenet, "test", **SMALL)


def test_a_broken_picture_is_named(imagenet: Path) -> None:
    name = f"train/{WNIDS[0]}/{WNIDS[0]}_0.JPEG"
    (imagenet / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=f"broken image {name}"):
        load(imagenet_subset, imagenet, "train", **SMALL)


def test_a_class_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="n01484850 stands there twice"):
        imagenet_subset.Params(classes=("n01484850", "n01560419", "n01484850"))
    with pytest.raises(ValueError, match="n000002 stands there twice"):
        vggface2.Params(classes=("n000002", "n000002"))


# -- the list in git -----------------------------------------------------------------------


def test_only_the_chosen_files_are_hashed_and_each_is_listed(imagenet: Path, tmp_path: Path) -> None:
    layout, subset = Layout(tmp_path / "w"), variant(imagenet_subset, **SMALL)
    files = chosen_files(subset.module, subset.params)
    before = set_source(layout, subset.name, imagenet, files=files)
    lines = layout.source_files(subset.name).read_text().splitlines()
    assert len(lines) == 1 + 30 * 3
    assert lines[0] == "path,sha256"
    put(imagenet / "train" / "n01440764" / "another.JPEG", b"of a class that is not chosen")
    assert obtain(layout, subset, QUIET) == imagenet
    assert set_source(layout, subset.name, imagenet, files=files) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.write_bytes(b"x"), "has changed"),
        (lambda file: file.rename(file.with_name("z.JPEG")), "is missing"),
        (lambda file: put(file.with_name("a.JPEG"), b"x"), "is not in the list"),
    ],
)
def test_a_file_that_is_not_as_listed_is_named(
    imagenet: Path, tmp_path: Path, change: Any, words: str
) -> None:
    layout, subset = Layout(tmp_path / "w"), variant(imagenet_subset, **SMALL)
    set_source(layout, subset.name, imagenet, files=chosen_files(subset.module, subset.params))
    change(imagenet / "train" / WNIDS[0] / f"{WNIDS[0]}_0.JPEG")
    with pytest.raises(DataError, match=rf": train/{WNIDS[0]}/\w+\.JPEG {words} \(\d of 90 files differ\)"):
        obtain(layout, subset, QUIET)


def test_another_whole_source_leaves_no_list_behind(imagenet: Path, tmp_path: Path) -> None:
    layout, subset = Layout(tmp_path / "w"), variant(imagenet_subset, **SMALL)
    set_source(layout, "mine", imagenet, files=chosen_files(subset.module, subset.params))
    set_source(layout, "mine", imagenet)
    assert not layout.source_files("mine").exists()


# -- VGGFace2 ------------------------------------------------------------------------------


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Identities with 12, 9, 12, 5 and 10 pictures; those of the test part are others."""
    root, number = tmp_path / "faces", 0
    for name, count in (("n000002", 12), ("n000003", 9), ("n000004", 12), ("n000005", 5), ("n000006", 10)):
        for i in range(count):
            put(root / "train" / name / f"{i:04d}_01.jpg", photograph(number) + bytes([number]))
            number += 1
    put(root / "test" / "n000001" / "0001_01.jpg", photograph(0))
    return root


FEW = {"identities": 3, "least": 4, "image_size": 16, "held_out": 0.3}


def test_the_largest_identities_are_taken(faces: Path) -> None:
    loaded = vggface2.load(vggface2.Params(**FEW), "train", faces, QUIET)
    assert loaded.class_names == ("n000002", "n000004", "n000006")


def test_a_share_is_held_out_by_content_and_nothing_is_lost(faces: Path) -> None:
    train, test = (load(vggface2, faces, split, **FEW) for split in ("train", "test"))
    names = {sample.source for sample in train} | {sample.source for sample in test}
    assert len(names) == len(train) + len(test) == 34
    assert all(is_held_out((faces / sample.source).read_bytes(), 0.3) for sample in test)
    assert 0 < len(test) < len(train)


def test_named_identities_are_taken_in_their_order(faces: Path) -> None:
    names = ("n000006", "n000003")
    loaded = vggface2.load(vggface2.Params(**{**FEW, "classes": names}), "train", faces, QUIET)
    assert loaded.class_names == names
    assert {Path(sample.source).parent.name: sample.label for sample in loaded.samples} == {
        "n000006": 0,
        "n000003": 1,
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"identities": 6}, "has 5 identities, wanted 6"),
        ({"classes": ("n000002", "n009999")}, "lacks 1 of 2 classes: n009999"),
        ({"least": 11}, r"1 classes have fewer than 11 pictures: n000006 \(10\)"),
    ],
)
def test_identities_that_cannot_be_had_are_named(faces: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(vggface2, faces, "train", **{**FEW, **given})


def test_an_identity_without_a_test_picture_is_named(faces: Path) -> None:
    """With a share of one hundredth no picture of these is drawn but one."""
    drawn = {path.parent.name for path in faces.glob("train/*/*") if is_held_out(path.read_bytes(), 0.01)}
    empty = sorted({"n000002", "n000004", "n000006"} - drawn)
    assert empty
    said = rf"^test: held_out 0\.01 left no picture of {', '.join(empty)}; choose"
    with pytest.raises(DataError, match=said):
        load(vggface2, faces, "test", **{**FEW, "held_out": 0.01})


def test_an_identity_file_that_cannot_be_read_is_named(faces: Path) -> None:
    broken = faces / "train" / "n000002" / "9999_01.jpg"
    broken.symlink_to(faces / "nothing")
    with pytest.raises(DataError, match=r"cannot read .*9999_01\.jpg: No such file"):
        load(vggface2, faces, "train", **FEW)


def test_a_folder_without_train_says_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no folder 'train': wanted VGGFace2's"):
        load(vggface2, tmp_path, "train")
