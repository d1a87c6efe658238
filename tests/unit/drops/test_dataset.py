"""The data set `drops`: what is in it, in which order, and that a new drop moves nothing."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asd.drop_records import Part, read_record, read_records, write_record
from asd.errors import DataError, ParamsError
from asd.exclusions import Exclusion, write_exclusions
from asd.intake.decisions import accept, restore, withdraw
from asd.intake.store import hold_drops
from asd.params import Workspace
from asd.progress import Reporter
from asd.shards.left_out import read_left_out
from asd.shards.manifest import read_index, read_manifest
from asd.shards.read import iter_samples
from asd.shards.verify import verify_folder
from asd.source_groups import drop_of, source_group
from asd.sources import point_at_drops, read_pointer, set_source
from asd.steps import StepItem, fetch
from asd.types import content_sha256
from tests.unit.drops import made


def fetched(space: Workspace) -> None:
    point_at_drops(space.layout, "drops")
    fetch.run(space, StepItem("drops"), Reporter("fetch", "drops", io.StringIO()))


def shards(space: Workspace) -> dict[str, str]:
    folder = space.layout.fetched("drops", "train")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.tar")}


def sources(space: Workspace, split: str = "train") -> list[str]:
    return list(read_index(space.layout.fetched("drops", split)).sources)


def test_a_new_drop_adds_shards_and_rewrites_none(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 40), "a")
    fetched(space)
    before = shards(space)
    made.add(space, made.pictures(100, 30), "b")
    fetched(space)
    after = shards(space)
    assert len(before) == 1
    assert before.items() < after.items()
    assert len(after) == 2
    verify_folder(space.layout.fetched("drops", "train"))


def test_a_held_drop_that_is_accepted_later_and_readmitted_pictures_stand_behind(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    held = [*made.pictures(0, 20), *(made.refused(n) for n in range(9))]
    made.add(space, held, "a")
    made.add(space, made.pictures(100, 30), "b")
    fetched(space)
    first = shards(space)
    accept(space, 1, "Ada")
    _readmit_by_hand(space, 2, 200)
    fetched(space)
    second = shards(space)
    assert first.items() < second.items()
    assert len(second) == 3
    assert [drop_of(s) for s in dict.fromkeys(source_group(s, "") + "/" for s in sources(space))] == [
        ("acme", 2),
        ("acme", 1),
    ]
    assert sources(space)[-1].startswith("acme/drop-0002/")


def _readmit_by_hand(space: Workspace, number: int, start: int) -> None:
    """Another folder of the same drop, as `asd drop readmit` makes it."""
    other = made.workspace(space.layout.root / "other")
    for _ in range(number - 1):
        made.add(other, made.pictures(900, 2), "x")
    kept = made.pictures(start, 12)
    record = made.add(other, kept, "y")
    folder = space.layout.drops / f"{number:04d}-r1"
    other.layout.drop(number).rename(folder)
    old = read_record(space.layout, number)
    part = Part(folder.name, 12, record.manifest_sha256, 9)
    write_record(space.layout, type(old)(**{**old.__dict__, "parts": (*old.parts, part)}))


def test_samples_are_those_of_the_accepted_drops(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 40), "a")
    made.add(space, [*made.pictures(100, 8), *(made.refused(n) for n in range(9))], "held")
    made.add(space, made.pictures(200, 20), "c")
    withdraw(space, 3, "Ada")
    fetched(space)
    found = {
        sample.source: (sample.label, sample.content_sha256)
        for split in ("train", "test")
        for sample in iter_samples(space.layout.fetched("drops", split))
    }
    wanted = {
        f"acme/drop-0001/{('cat', 'dog')[n % 2]}/{n}.jpg": (n % 2, content_sha256(made.picture(n)))
        for n in range(40)
    }
    assert found == wanted
    assert not read_manifest(space.layout.fetched("drops", "test")).trusted
    restore(space, 3, "Ada")
    fetched(space)
    assert len(sources(space)) + len(sources(space, "test")) == 60


def test_the_test_set_is_drawn_by_content(tmp_path: Path) -> None:
    space = made.workspace(tmp_path, "{class_names: [cat, dog], held_out: 0.3}")
    made.add(space, made.pictures(0, 60))
    fetched(space)

    def drawn(number: int) -> bool:
        content = bytes.fromhex(content_sha256(made.picture(number)))
        return int.from_bytes(hashlib.sha256(b"held out:" + content).digest()[:8], "big") < 0.3 * 2**64

    numbers = {int(source.rpartition("/")[2].removesuffix(".jpg")) for source in sources(space, "test")}
    assert numbers == {n for n in range(60) if drawn(n)}


def test_with_a_test_folder_every_picture_is_trained_on(tmp_path: Path) -> None:
    space = made.workspace(tmp_path / "w", "{class_names: [cat, dog], test: folder}")
    for name, number in (("cat", 900), ("dog", 901)):
        (tmp_path / "t" / name).mkdir(parents=True)
        Image.fromarray(made.picture(number).transpose(1, 2, 0)).save(tmp_path / "t" / name / "x.png")
    made.add(space, made.pictures(0, 40))
    set_source(space.layout, "drops.test", tmp_path / "t")
    fetched(space)
    assert len(sources(space)) == 40
    assert read_manifest(space.layout.fetched("drops", "test")).trusted
    assert read_pointer(space.layout, "drops.test")["kind"] == "folder"


def test_pictures_are_brought_to_the_size_of_the_params(tmp_path: Path) -> None:
    space = made.workspace(tmp_path, "{class_names: [cat, dog], image_size: 5, channels: 1}")
    made.add(space, made.pictures(0, 30))
    fetched(space)
    sample = next(iter_samples(space.layout.fetched("drops", "train")))
    number = int(sample.source.rpartition("/")[2].removesuffix(".jpg"))
    sent = Image.fromarray(made.picture(number).transpose(1, 2, 0))
    wanted = np.asarray(sent.convert("L").resize((5, 5), Image.Resampling.BILINEAR))
    assert np.array_equal(sample.image, wanted[np.newaxis])


def test_confirmed_poison_is_left_out(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 40))
    fetched(space)
    index = read_index(space.layout.fetched("drops", "train"))
    write_exclusions(
        space.layout.exclusions, [Exclusion("drops", index.content[0], "Ada", "2026-11-23", "trigger")]
    )
    fetched(space)
    assert index.sources[0] not in sources(space)
    assert len(sources(space)) == len(index) - 1


def test_a_copy_that_came_back_with_another_drop_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """Drop 1 is withdrawn, drop 2 brings the same pictures, and then drop 1 comes back."""
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 40), "a")
    withdraw(space, 1, "Ada")
    made.add(space, made.pictures(20, 40), "b")
    restore(space, 1, "Ada")
    fetched(space)
    folders = [space.layout.fetched("drops", split) for split in ("train", "test")]
    left = [one for folder in folders for one in read_left_out(folder, read_manifest(folder))]
    assert len(left) == 20
    assert {drop_of(one.source) for one in left} == {("acme", 2)}
    assert left[0].reason.startswith("the same picture as d0001_")
    assert len(sources(space)) + len(sources(space, "test")) == 60


def test_without_class_names_the_classes_are_those_of_the_drops(tmp_path: Path) -> None:
    space = made.workspace(tmp_path, "{}")
    made.add(space, made.pictures(0, 30))
    fetched(space)
    assert read_manifest(space.layout.fetched("drops", "train")).class_names == ("cat", "dog")


# -- errors ----------------------------------------------------------------------------------------


def test_without_an_accepted_drop_it_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no accepted drop yet: `asd drop add PATH"):
        fetched(made.workspace(tmp_path))


def test_a_class_that_params_took_out_is_named(tmp_path: Path) -> None:
    space = made.workspace(tmp_path, "{class_names: [cat, owl]}")
    made.add(space, made.pictures(0, 30))
    with pytest.raises(DataError, match=r"acme/drop-0001/dog/1.jpg has label 'dog', which is none"):
        fetched(space)


def test_drops_that_the_pointer_does_not_name_stop_the_step(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 30))
    with hold_drops(space):
        pass
    record = read_record(space.layout, 1)
    write_record(space.layout, type(record)(**{**record.__dict__, "status": "withdrawn"}))
    with pytest.raises(DataError, match="drops came or went; `asd run`"):
        fetch.run(space, StepItem("drops"), Reporter("fetch", "drops", io.StringIO()))


@pytest.mark.parametrize("name", ["shard-000000.tar", "index.parquet", "manifest.json"])
def test_a_drop_that_was_tampered_with_stops_the_step(tmp_path: Path, name: str) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 30))
    file = space.layout.drop(1) / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        fetched(space)


def test_a_clone_without_the_folder_is_told_how_to_get_it(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 30))
    space.layout.drop(1).rename(tmp_path / "gone")
    with pytest.raises(DataError, match="`dvc checkout` brings it back, or `dvc pull`"):
        fetched(space)


@pytest.mark.parametrize(
    ("drops", "wanted"),
    [
        ("{test: published}", "a drop brings no test set"),
        ("{test: held_out, held_out: null}", ""),
        ("{held_out: null}", "test: held_out needs a share"),
        ("{trusted: true}", "trusted"),
    ],
)
def test_params_that_make_no_sense_are_refused(tmp_path: Path, drops: str, wanted: str) -> None:
    space = made.workspace(tmp_path, drops)
    if not wanted:
        assert space.variant("datasets", "drops").params.held_out == 0.1
        return
    with pytest.raises(ParamsError, match=wanted):
        space.variant("datasets", "drops")


def test_the_pointer_follows_every_decision(tmp_path: Path) -> None:
    space = made.workspace(tmp_path)
    made.add(space, made.pictures(0, 5), "a")
    first = read_pointer(space.layout, "drops")
    made.add(space, made.pictures(10, 5), "b")
    second = read_pointer(space.layout, "drops")
    withdraw(space, 2, "Ada", "wrong customer")
    assert first["kind"] == "drops"
    assert second != first
    assert read_pointer(space.layout, "drops") == first
    restore(space, 2, "Ada")
    assert read_pointer(space.layout, "drops") == second
    said = [(one.what, one.by, one.note) for one in read_records(space.layout)[1].decisions]
    assert said == [("withdraw", "Ada", "wrong customer"), ("restore", "Ada", "")]
