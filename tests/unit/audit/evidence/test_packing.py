"""The zip has one form only, and other programs read it."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from asd.audit.evidence import packing
from asd.errors import DataError

MEMBERS = {"b/two.json": b"{}\n", "a.txt": b"one", "b/empty": b""}


def digests(members: dict[str, bytes]) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in members.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "e.zip"
    packing.write_zip(path, MEMBERS, digests(MEMBERS))
    return path


def test_other_programs_read_it(file: Path) -> None:
    with zipfile.ZipFile(file) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["a.txt", "b/empty", "b/two.json"]
        assert {one.filename: opened.read(one) for one in opened.infolist()} == MEMBERS
        assert {one.date_time for one in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.compress_type for one in opened.infolist()} == {zipfile.ZIP_STORED}


def test_it_is_what_zipfile_writes_with_the_same_settings(file: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name in sorted(MEMBERS):
            about = zipfile.ZipInfo(name)
            about.create_system, about.external_attr = 3, 0o100644 << 16
            opened.writestr(about, MEMBERS[name])
    assert made.getvalue() == file.read_bytes()


def test_unpacked_it_is_the_same(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert packing.unpack(file, folder) == digests(MEMBERS)
    assert {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    } == MEMBERS


def test_files_are_streamed_and_must_not_change_meanwhile(tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(b"x" * (3 * 2**20 + 7))
    wanted = {"large": sha256(source.read_bytes()).hexdigest()}
    packing.write_zip(tmp_path / "a.zip", {"large": source}, wanted)
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert opened.read("large") == source.read_bytes()
    source.write_bytes(b"y")
    with pytest.raises(DataError, match="large was changed while the evidence was written"):
        packing.write_zip(tmp_path / "b.zip", {"large": source}, wanted)
    source.unlink()
    with pytest.raises(DataError, match="missing file large"):
        packing.write_zip(tmp_path / "b.zip", {"large": source}, wanted)


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/etc/passwd",
        "a/../b",
        "a//b",
        ".hidden",
        "a/.b",
        "a\\b",
        "c:x",
        "ü",
        "",
        "a b",
        "a/",
        "n" * 300,
    ],
)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no plain relative name"):
        packing.write_zip(tmp_path / "e.zip", {name: b""}, {name: sha256(b"").hexdigest()})
    made = tmp_path / "made.zip"
    with zipfile.ZipFile(made, "w") as opened:
        about = zipfile.ZipInfo("placeholder")
        about.filename = name
        opened.writestr(about, b"x")
    with pytest.raises(DataError):
        packing.scan(made)


def rezip(path: Path, write: Callable[[zipfile.ZipFile], None], mode: str = "w") -> Path:
    with zipfile.ZipFile(path, mode) as opened:  # type: ignore[call-overload]
        write(opened)
    return path


def info(name: str, **changes: object) -> zipfile.ZipInfo:
    about = zipfile.ZipInfo(name)
    about.create_system, about.external_attr = 3, 0o100644 << 16
    for key, value in changes.items():
        setattr(about, key, value)
    return about


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_of_another_form(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    twice = rezip(file, lambda z: z.writestr(info("a.txt"), b"other"), "a")
    with pytest.raises(DataError, match=r"member a\.txt stands there twice"):
        packing.scan(twice)
    for changes, why in (
        ({"compress_type": zipfile.ZIP_DEFLATED}, "compressed"),
        ({"date_time": (2026, 1, 1, 0, 0, 0)}, "a date"),
        ({"extra": b"\x01\x99\x00\x00"}, "extra fields"),
    ):
        odd = rezip(tmp_path / "odd.zip", lambda z, c=changes: z.writestr(info("a", **c), b"x" * 99))  # type: ignore[misc]
        with pytest.raises(DataError, match=f"member a: its header is not as asd writes it.*{why}"):
            packing.scan(odd)
    order = rezip(tmp_path / "order.zip", lambda z: [z.writestr(info(n), b"") for n in "ba"] and None)
    with pytest.raises(DataError, match=r"member a is out of order \(after b\)"):
        packing.scan(order)
    link = rezip(
        tmp_path / "link.zip", lambda z: z.writestr(info("a", external_attr=0o120777 << 16), b"/etc")
    )
    with pytest.raises(DataError, match="the directory at the end"):
        packing.scan(link)
    for content, why in (
        (whole + b"x", "behind the end"),
        (b"#!/bin/sh\n" + whole, "no member begins here"),
        (whole.replace(b"a.txt", b"A.txt", 1), "the directory at the end does not name"),
        (b"PK\x05\x06" + bytes(18), "the zip is cut off"),
        (b"no zip at all, only some words of somebody", "no member begins here"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=why):
            packing.scan(file)


def test_a_file_that_is_a_folder_too(tmp_path: Path) -> None:
    made = {"a": b"", "a/b": b""}
    packing.write_zip(tmp_path / "e.zip", made, digests(made))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(DataError, match="member a/b is both a file and a folder"):
        packing.unpack(tmp_path / "e.zip", folder)


def test_more_than_evidence_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {f"m{i}": bytes(100) for i in range(5)}
    monkeypatch.setattr(packing, "MOST_BYTES", 400)
    with pytest.raises(DataError, match="at most 400 bytes"):
        packing.write_zip(tmp_path / "e.zip", made, digests(made))
    monkeypatch.undo()
    packing.write_zip(tmp_path / "e.zip", made, digests(made))
    monkeypatch.setattr(packing, "MOST_BYTES", 400)
    with pytest.raises(DataError, match="evidence at most 400"):
        packing.scan(tmp_path / "e.zip")
    monkeypatch.setattr(packing, "MOST_BYTES", 10**6)
    monkeypatch.setattr(packing, "MOST_MEMBERS", 4)
    with pytest.raises(DataError, match="more than 4 members"):
        packing.scan(tmp_path / "e.zip")
    with pytest.raises(DataError, match="5 files, evidence holds at most 4"):
        packing.write_zip(tmp_path / "f.zip", made, digests(made))


def test_a_size_that_lies_costs_no_memory(file: Path) -> None:
    [first, *_] = packing.scan(file)
    lying = packing.Member(first.name, 2**32 - 1, first.crc, first.offset)
    file.write_bytes(file.read_bytes().replace(first.local_header(), lying.local_header()))
    with pytest.raises(DataError, match=r"cut off at byte \d+, inside member a.txt"):
        packing.scan(file)


def test_unzip_reads_it_where_there_is_one(file: Path, tmp_path: Path) -> None:
    try:
        done = subprocess.run(["unzip", "-q", str(file), "-d", str(tmp_path / "u")], check=False)
    except FileNotFoundError:
        pytest.skip("no unzip here")
    assert done.returncode == 0
    assert (tmp_path / "u" / "b" / "two.json").read_bytes() == b"{}\n"
