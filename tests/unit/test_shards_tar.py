"""The strict tar scanner."""

from __future__ import annotations

import io
import tarfile

import pytest

from asd.errors import DataError
from asd.shards import tar


def _archive(*names: str) -> bytes:
    return b"".join(tar.member(name, name.encode() * 100) for name in names) + tar.TRAILER


def test_the_scanner_gives_back_what_was_written() -> None:
    assert list(tar.scan(_archive("a.cls", "b.png"), "x")) == [
        ("a.cls", b"a.cls" * 100),
        ("b.png", b"b.png" * 100),
    ]


def test_the_standard_library_reads_the_same_members() -> None:
    with tarfile.open(fileobj=io.BytesIO(_archive("a.cls", "b.png"))) as archive:
        entries = archive.getmembers()
        assert [(e.name, e.size, e.mtime, e.uid, e.mode) for e in entries] == [
            ("a.cls", 500, 0, 0, 0o644),
            ("b.png", 500, 0, 0, 0o644),
        ]


def test_an_archive_padded_by_another_writer_is_read() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("k.cls")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"3"))
    assert list(tar.scan(stream.getvalue(), "x")) == [("k.cls", b"3")]


@pytest.mark.parametrize("cut", [1024, 512, 1536, 100])
def test_a_cut_anywhere_is_noticed(cut: int) -> None:
    archive = _archive("a.cls", "b.png")
    with pytest.raises(DataError, match=r"cut short|empty blocks"):
        list(tar.scan(archive[:-cut], "x"))


def test_a_cut_at_a_member_boundary_is_noticed() -> None:
    first = tar.member("a.cls", b"1")
    with pytest.raises(DataError, match="archive's end is missing"):
        list(tar.scan(first, "x"))


def test_data_after_the_end_is_refused() -> None:
    with pytest.raises(DataError, match="nothing but empty blocks"):
        list(tar.scan(_archive("a.cls") + tar.member("b.cls", b"1"), "x"))


def test_a_flipped_byte_in_a_header_is_noticed() -> None:
    archive = bytearray(_archive("a.cls"))
    archive[0] ^= 1
    with pytest.raises(DataError, match="wrong checksum"):
        list(tar.scan(bytes(archive), "x"))


@pytest.mark.parametrize(
    ("kind", "word"),
    [(tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link"), (tarfile.DIRTYPE, "folder")],
)
def test_only_regular_files_are_members(kind: bytes, word: str) -> None:
    info = tarfile.TarInfo("a.cls")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(DataError, match=word):
        list(tar.scan(info.tobuf(tarfile.USTAR_FORMAT) + tar.TRAILER, "x"))


def test_pax_and_gnu_headers_are_refused() -> None:
    info = tarfile.TarInfo("a" * 150 + ".cls")
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with pytest.raises(DataError, match="regular files only"):
            list(tar.scan(info.tobuf(form) + tar.TRAILER, "x"))


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 5000])
def test_halving_finds_every_member_of_a_sorted_archive_and_no_other(size: int) -> None:
    names = [f"k{number:03d}.{ending}" for number in range(0, 80, 2) for ending in ("cls", "png")]
    archive = b"".join(tar.member(name, bytes([7]) * size) for name in names) + tar.TRAILER
    known = {name.decode(): (start, length) for name, start, length in tar.members(archive, "x")}
    assert {name: tar.find(archive, name) for name in names} == known
    assert [tar.find(archive, name) for name in ("a", "k001.png", "zz")] == [None] * 3


def test_halving_never_finds_a_name_that_is_not_there_but_data_may_look_like_a_member() -> None:
    fake = tar.member("b.png", b"false")
    archive = b"".join([tar.member("a.png", fake * 3), tar.member("c.png", b"c")]) + tar.TRAILER
    found = tar.find(archive, "b.png")
    assert found is None or archive[found[0] : sum(found)] == b"false"
