"""Drops of every form through the whole gate, and what it says of a drop as a whole."""

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asd.errors import DataError, ParamsError
from asd.intake.gate import Rules, TooLargeError, drop_sha256, found_drop, judge_drop
from asd.intake.index import ContentIndex
from asd.intake.processes import wait
from asd.intake.reader import Reader
from asd.intake.readers.entry import Entry
from asd.intake.readers.folder import walk
from asd.intake.types import Accepted, Judged, Refused
from asd.intake_params import IntakeParams
from asd.progress import Reporter
from tests.unit.intake.evils.kit import TAR_END, ZipMember, png, tar_member, zip_bytes

CLASSES = ("cat", "dog")
PICTURES = [
    (f"{label}/{number}.png", label, png(number)) for number, label in enumerate(("cat", "dog", "dog"))
]


def judge(path: Path, rules: Rules | None = None) -> list[Judged]:
    reporter = Reporter("test", "test", io.StringIO())
    with ContentIndex(None) as earlier:
        return list(judge_drop(path, rules or Rules(class_names=CLASSES), earlier, reporter, workers=1))


def folder(root: Path) -> Path:
    for name, _, data in PICTURES:
        (root / "drop" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "drop" / name).write_bytes(data)
    return root / "drop"


def tar(root: Path, prefix: str = "") -> Path:
    path = root / "drop.tar"
    path.write_bytes(b"".join(tar_member(prefix + name, data) for name, _, data in PICTURES) + TAR_END)
    return path


def packed(kind: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        data = tar(root, "from-acme/").read_bytes()
        path = root / f"drop.tar.{kind}"
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(data))
        return path

    return make


def zipped(root: Path) -> Path:
    path = root / "drop.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("from-acme/", b"")
        archive.writestr("from-acme/README", b"hello")
        for name, _, data in PICTURES:
            archive.writestr(f"from-acme/{name}", data)
    return path


def table(labels: list[object], struct: bool = True, names: list[str] | None = None) -> bytes:
    cells = [{"bytes": data, "path": name} if struct else data for name, _, data in PICTURES]
    found = pa.table({"image": cells, "label": labels})
    if names:
        note = json.dumps({"info": {"features": {"label": {"names": names}}}}).encode()
        found = found.replace_schema_metadata({b"huggingface": note})
    stream = io.BytesIO()
    pq.write_table(found, stream)
    return stream.getvalue()


def parquet_file(root: Path) -> Path:
    (root / "drop.parquet").write_bytes(table(["cat", "dog", "dog"], struct=False))
    return root / "drop.parquet"


def parquet_with_numbers(root: Path) -> Path:
    (root / "data").mkdir()
    (root / "data" / "train-0.parquet").write_bytes(table([1, 0, 0], names=["dog", "cat"]))
    return root / "data"


def parquet_in_zip(root: Path) -> Path:
    path = root / "drop.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/train.parquet", table([0, 1, 1]))
    return path


def samples() -> bytes:
    parts = []
    for number, (_, label, data) in enumerate(PICTURES):
        parts.append(tar_member(f"{number:05d}.png", data))
        note = json.dumps({"label": label}).encode()
        parts.append(tar_member(f"{number:05d}.json", note) if number else tar_member("00000.cls", b"cat\n"))
    return b"".join(parts) + TAR_END


def webdataset_tar(root: Path) -> Path:
    (root / "drop.tar").write_bytes(samples())
    return root / "drop.tar"


def webdataset_folder(root: Path) -> Path:
    (root / "shards").mkdir()
    (root / "shards" / "train-0.tar").write_bytes(samples())
    return root / "shards"


def webdataset_in_zip(root: Path) -> Path:
    (root / "drop.zip").write_bytes(zip_bytes([ZipMember("shards/train-0.tar", samples())]))
    return root / "drop.zip"


def csv(root: Path) -> Path:
    drop = folder(root)
    lines = [f"{name};{label}" for name, label, _ in PICTURES]
    (drop / "labels.csv").write_text("\ufefffile;class\n" + "\n".join(lines), encoding="utf-8")
    return drop


def csv_by_name(root: Path) -> Path:
    return csv(root) / "labels.csv"


def jsonl_in_tar(root: Path) -> Path:
    lines = [json.dumps({"file_name": name, "label": CLASSES.index(label)}) for name, label, _ in PICTURES]
    parts = [tar_member("top/labels.jsonl", "\n".join(lines).encode())]
    parts += [tar_member(f"top/{name}", data) for name, _, data in PICTURES]
    path = root / "drop.tar.gz"
    path.write_bytes(gzip.compress(b"".join(parts) + TAR_END))
    return path


FORMS = (
    *(folder, tar, packed("gz"), packed("bz2"), packed("xz"), zipped),
    *(parquet_file, parquet_with_numbers, parquet_in_zip),
    *(webdataset_tar, webdataset_folder, webdataset_in_zip),
    *(csv, csv_by_name, jsonl_in_tar),
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    return judge(folder(tmp_path_factory.mktemp("plain")))


@pytest.mark.parametrize("make", FORMS, ids=lambda make: make.__qualname__)
def test_every_form_gives_the_same_pictures_and_labels(
    make: Callable[[Path], Path], plain: list[Judged], tmp_path: Path
) -> None:
    judged = judge(make(tmp_path))
    accepted = [one for one in judged if isinstance(one, Accepted)]
    assert [one.label for one in accepted] == ["cat", "dog", "dog"]
    assert [one.content_sha256 for one in accepted] == [one.content_sha256 for one in plain]
    assert [one.file_sha256 for one in accepted] == [one.file_sha256 for one in plain]
    assert len({one.path for one in accepted}) == 3
    refused = [(one.path, one.reason) for one in judged if isinstance(one, Refused)]
    assert refused == ([("from-acme/README", "not-a-picture")] if make is zipped else [])


def test_one_class_folder_is_a_class_and_not_the_drops_own_folder(tmp_path: Path) -> None:
    (tmp_path / "drop" / "cat" / "dog").mkdir(parents=True)
    (tmp_path / "drop" / "cat" / "dog" / "1.png").write_bytes(png(1))
    path = tmp_path / "drop"
    assert [one.label for one in judge(path)] == ["cat"]
    assert [one.label for one in judge(path, Rules())] == ["dog"]  # no class is known: the deeper folder


def test_the_marker_of_a_whole_drop_is_no_part_of_it(tmp_path: Path) -> None:
    path = folder(tmp_path)
    before = drop_sha256(path)
    (path / ".complete").touch()
    assert drop_sha256(path) == before
    assert len(judge(path)) == 3


def test_the_hash_of_a_drop(tmp_path: Path) -> None:
    path = folder(tmp_path)
    first = drop_sha256(path)
    assert drop_sha256(folder(tmp_path / "again")) == first
    (path / "cat" / "0.png").rename(path / "cat" / "00.png")
    renamed = drop_sha256(path)
    (path / "cat" / "00.png").write_bytes(png(9))
    changed = drop_sha256(path)
    (path / "cat" / "00.png").unlink()
    (path / "cat" / "00.png").symlink_to("/dev/zero")
    assert len({first, renamed, changed, drop_sha256(path)}) == 4
    (path / "a.csv").write_text("path,label\n")
    (path / "b.csv").write_text("path,label\n")
    assert len({drop_sha256(path), drop_sha256(path / "a.csv"), drop_sha256(path / "b.csv")}) == 3
    one = tmp_path / "x.zip"
    one.write_bytes(b"abc")
    assert drop_sha256(one) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_drop_that_is_too_large_is_not_even_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a hole of a terabyte takes an hour to read, for the service as for `asd drop add`."""
    drop = folder(tmp_path)
    with (drop / "hole.zip").open("wb") as stream:
        stream.truncate(2**40)
    monkeypatch.setattr(os, "read", None)
    for place in (drop, drop / "hole.zip"):
        with pytest.raises(TooLargeError, match=r"more than 1000000 \(intake.most_bytes\)"):
            drop_sha256(place, 1_000_000)
    size = sum(len(data) for _, _, data in PICTURES)
    (drop / "hole.zip").unlink()
    assert drop_sha256(drop, size) == drop_sha256(drop)


def test_a_file_that_grows_while_it_is_hashed_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = folder(tmp_path)

    def grow() -> None:
        with (drop / "cat" / "0.png").open("ab") as stream:
            stream.write(b"more")

    exchanging(monkeypatch, "0.png", grow)
    with pytest.raises(DataError, match=r"cat/0\.png grows while it is read"):
        drop_sha256(drop)


def exchanging(monkeypatch: pytest.MonkeyPatch, name: str, exchange: Callable[[], None]) -> None:
    """Have something exchanged at the moment before it is opened."""
    real = os.open

    def opened(path: Any, *words: Any, **more: Any) -> int:
        if os.fsdecode(path).rpartition("/")[2] == name:
            monkeypatch.setattr(os, "open", real)
            exchange()
        return real(path, *words, **more)

    monkeypatch.setattr(os, "open", opened)


def test_a_folder_that_becomes_a_link_while_it_is_read_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, secret = folder(tmp_path), tmp_path / "secret"
    secret.mkdir()
    (secret / "of-others.png").write_bytes(png(9))

    def exchange() -> None:
        (drop / "dog").rename(tmp_path / "aside")
        (drop / "dog").symlink_to(secret)

    exchanging(monkeypatch, "dog", exchange)
    found = [(file.name, file.problem and file.problem[0]) for file in walk(drop)]
    assert found == [("cat/0.png", None), ("dog", "unreadable")]


def test_a_file_is_opened_in_the_folder_that_was_listed(tmp_path: Path) -> None:
    drop, secret = folder(tmp_path), tmp_path / "secret"
    secret.mkdir()
    (secret / "0.png").write_bytes(b"of others")
    files = walk(drop)
    file = next(files)
    (drop / "cat").rename(tmp_path / "aside")
    (drop / "cat").symlink_to(secret)
    with file.open() as stream:
        assert stream.read() == PICTURES[0][2]


def test_a_drop_that_becomes_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    drop, archive = folder(tmp_path), tmp_path / "drop.zip"
    (tmp_path / "link").symlink_to(drop)
    os.mkfifo(archive)
    for place in (tmp_path / "link", archive):
        with pytest.raises(DataError, match=f"cannot read {place}|exchanged"):
            drop_sha256(place)
    with pytest.raises(ParamsError, match="is a link; give the place that it leads to"):
        found_drop(tmp_path / "link")


def test_refused_files_keep_their_bytes_hash_and_label(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "cat" / "bad.png").write_bytes(b"abc")
    (path / "cat" / "large.png").write_bytes(bytes(5000))
    rules = Rules(IntakeParams(most_file_bytes=4000), CLASSES)
    bad, large = (one for one in judge(path, rules) if isinstance(one, Refused))
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (bad.reason, bad.label, bad.data, bad.size, bad.file_sha256) == (
        "not-a-picture",
        "cat",
        b"abc",
        3,
        digest,
    )
    assert (large.reason, large.data, large.size, large.file_sha256) == ("too-large", None, 5000, None)


def test_labels_by_the_drops_label_file(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "cat").rename(path / "chat")
    assert [one.reason for one in judge(path) if isinstance(one, Refused)] == ["unknown-label"]
    rules = Rules(class_names=CLASSES, labels={"chat": "cat"})
    assert [one.label for one in judge(path, rules)] == ["cat", "dog", "dog"]


@pytest.mark.parametrize(
    ("intake", "said"),
    [({"most_files": 2}, "more than 2 files"), ({"most_bytes": 1000}, "more than 1000 bytes")],
)
def test_caps_of_the_whole_drop(intake: dict[str, int], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        judge(folder(tmp_path), Rules(IntakeParams(**intake), CLASSES))


def test_the_pixel_cap_is_the_workspaces(tmp_path: Path) -> None:
    rules = Rules(IntakeParams(most_pixels=24 * 24 - 1), CLASSES)
    assert {one.reason for one in judge(folder(tmp_path), rules)} == {"too-many-pixels"}


def test_a_table_that_kills_its_reader_costs_that_table(tmp_path: Path) -> None:
    path = tmp_path / "drop"
    path.mkdir()
    for name, rows in (("a", 1), ("b", 5000), ("c", 1)):  # more of b than a pipe takes
        cells = [{"bytes": bytes(1000), "path": ""}] * rows
        pq.write_table(pa.table({"img": cells, "label": ["cat"] * rows}), path / f"{name}.parquet")
    entries: list[Entry] = []
    with Reader(path, IntakeParams(), None) as reading:
        first = reading.child
        while not reading.is_done:
            wait([reading.child], 1.0)
            entries += reading.receive()
            if any(entry.path.startswith("b.parquet#") for entry in entries) and first.alive:
                os.kill(first.pid, signal.SIGKILL)
    codes = {entry.path.partition("#")[0]: entry.code for entry in entries}
    assert codes == {"a.parquet": "", "b.parquet": "reader-died", "c.parquet": ""}
    assert 0 < sum(entry.path.startswith("b.parquet#") for entry in entries) < 5000
    assert sum(entry.path.startswith("c.parquet#") for entry in entries) == 1


def test_a_reader_that_dies_of_no_table_costs_the_drop(tmp_path: Path) -> None:
    with Reader(folder(tmp_path), IntakeParams(), None) as reading:
        os.kill(reading.child.pid, signal.SIGKILL)
        wait([reading.child], 10.0)
        with pytest.raises(DataError, match="killed the process that read it"):
            list(reading.receive())


def test_a_reader_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asd.intake.reader._SECONDS", 0.0)
    with Reader(folder(tmp_path), IntakeParams(), None) as reading:
        os.kill(reading.child.pid, signal.SIGSTOP)
        with pytest.raises(DataError, match="killed the process that read it"):
            list(reading.look())


def test_no_drop_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        judge(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the drop is empty"):
        judge(tmp_path / "empty")
