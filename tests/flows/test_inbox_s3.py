"""The inbox as a prefix of an object store, against an S3 server on loopback."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asd.errors import DataError, DiskError
from asd.intake import staging
from asd.intake.arrivals import look, open_store
from asd.intake.staging import staged
from asd.layout import Layout
from asd.progress import Reporter
from tests.flows.s3_server import VARIABLES, s3_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
INBOX = "s3://bucket/inbox"
MOST = 10**6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file system of the server; the bucket is empty."""
    for key, value in {**VARIABLES, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(key, value)
    system, _ = open_store(INBOX)
    if system.exists("bucket"):
        system.rm("bucket", recursive=True)
    system.mkdir("bucket")
    return system


def fetch(root: Path, name: str, most: int = MOST) -> Path:
    return staged(Layout(root), f"{INBOX}/{name}", most, Reporter("fetch", "drop"))


def test_objects_are_drops_by_source_and_name(bucket: Any, tmp_path: Path) -> None:
    for name in ("acme/monday/cat/1.png", "acme/monday/.complete", "acme/t.zip", "acme/t.zip.complete", "x"):
        bucket.pipe(f"bucket/inbox/{name}", b"1")
    seen = look(INBOX, tmp_path)
    assert [(a.source, a.name, a.files, bool(a.marker), a.place) for a in seen.arrivals] == [
        ("acme", "monday", 1, True, f"{INBOX}/acme/monday"),
        ("acme", "t.zip", 1, True, f"{INBOX}/acme/t.zip"),
    ]
    assert len(seen.problems) == 1
    assert seen.problems[0].startswith("'x' is in no folder of a source")


def test_fingerprint_is_of_the_content_and_not_of_the_marker(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("bucket/inbox/acme/monday/1.png", b"1")
    first = look(INBOX, tmp_path).arrivals[0]
    bucket.pipe("bucket/inbox/acme/monday/1.png", b"1")
    bucket.pipe("bucket/inbox/acme/monday/.complete", b"")
    second = look(INBOX, tmp_path).arrivals[0]
    assert (second.fingerprint, first.marker) == (first.fingerprint, "")
    bucket.pipe("bucket/inbox/acme/monday/1.png", b"2")
    assert look(INBOX, tmp_path).arrivals[0].fingerprint != first.fingerprint


def test_drop_of_many_objects_becomes_one_archive_whose_hostile_names_are_members_only(
    bucket: Any, tmp_path: Path
) -> None:
    content = {
        "cat/1.png": b"one",
        "..\\..\\evil.png": b"two",
        "~root": b"four",
        "dog/" + "x" * 300: b"",
        "cat/\u00fc \u202e.png": b"three",
    }
    for name, data in content.items():
        bucket.pipe(f"bucket/inbox/acme/monday/{name}", data)
    bucket.pipe("bucket/inbox/acme/monday/.complete", b"")
    file = fetch(tmp_path, "acme/monday")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [file.name]
    assert file.suffix == ".tar"
    with tarfile.open(file) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert found == content
    first = file.read_bytes()
    assert fetch(tmp_path, "acme/monday").read_bytes() == first


def test_drop_of_one_object_keeps_only_its_ending(bucket: Any, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000  # several chunks
    bucket.pipe("bucket/inbox/acme/my drop.tar.gz", data)
    file = fetch(tmp_path, "acme/my drop.tar.gz", most=len(data))
    assert file.name.endswith(".tar.gz")
    assert "my drop" not in file.name
    assert file.read_bytes() == data


def test_too_large_gone_and_no_room_are_told_and_leave_nothing(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.pipe("bucket/inbox/acme/monday/1.png", b"x" * 100)
    with pytest.raises(DataError, match=r"has 100 bytes; intake.most_bytes is 99"):
        fetch(tmp_path, "acme/monday", most=99)
    with pytest.raises(DataError, match="no object is there any more"):
        fetch(tmp_path, "acme/tuesday")
    monkeypatch.setattr(staging, "_ROOM", 2**62)
    with pytest.raises(DiskError, match=r"100 bytes of .* do not fit"):
        fetch(tmp_path, "acme/monday")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("listed", [b"shorter", b"much longer than before"])
def test_object_that_changes_after_it_was_listed_is_noticed(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: bytes
) -> None:
    for number in range(2):
        bucket.pipe(f"bucket/inbox/acme/monday/{number}.png", listed)
    before = staging.objects(f"{INBOX}/acme/monday")
    bucket.pipe("bucket/inbox/acme/monday/1.png", b"as it is now")
    monkeypatch.setattr(staging, "objects", lambda address: before)
    with pytest.raises(DataError):
        fetch(tmp_path, "acme/monday")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_store_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    for key, value in {**VARIABLES, **nowhere}.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(DataError, match=r"^s3://bucket/inbox: ") as error:
        look(INBOX, tmp_path)
    assert "\n" not in str(error.value)
