"""The inbox as a folder: what counts as a drop, and what shows that it changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asd.errors import ParamsError
from asd.intake.arrivals import look


def put(root: Path, name: str, text: str = "x") -> Path:
    file = root / "inbox" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def found(root: Path) -> dict[str, tuple[int, bool]]:
    """SOURCE/NAME -> files, and whether it is marked."""
    return {f"{a.source}/{a.name}": (a.files, bool(a.marker)) for a in look("inbox", root).arrivals}


def test_each_name_below_a_source_is_a_drop_of_its_files(tmp_path: Path) -> None:
    put(tmp_path, "acme/monday/cat/1.png")
    put(tmp_path, "acme/monday/dog/1.png")
    put(tmp_path, "acme/tuesday.zip")
    put(tmp_path, "bert/x/1.png")
    assert found(tmp_path) == {
        "acme/monday": (2, False),
        "acme/tuesday.zip": (1, False),
        "bert/x": (1, False),
    }


def test_marker_stands_in_a_folder_or_beside_a_file_and_is_no_drop(tmp_path: Path) -> None:
    put(tmp_path, "acme/monday/1.png")
    put(tmp_path, "acme/monday/.complete")
    put(tmp_path, "acme/tuesday.zip")
    put(tmp_path, "acme/tuesday.zip.complete")
    assert found(tmp_path) == {"acme/monday": (1, True), "acme/tuesday.zip": (1, True)}


def test_empty_folder_is_a_drop_only_when_it_is_marked(tmp_path: Path) -> None:
    (tmp_path / "inbox" / "acme" / "monday").mkdir(parents=True)
    assert found(tmp_path) == {}
    put(tmp_path, "acme/monday/.complete")
    assert found(tmp_path) == {"acme/monday": (0, True)}


def test_fingerprint_changes_with_names_sizes_and_times_and_not_with_the_marker(tmp_path: Path) -> None:
    file = put(tmp_path, "acme/monday/1.png", "1")
    seen = [look("inbox", tmp_path).arrivals[0].fingerprint]
    file.write_text("22")
    seen.append(look("inbox", tmp_path).arrivals[0].fingerprint)
    os.utime(file, (1, 1))
    seen.append(look("inbox", tmp_path).arrivals[0].fingerprint)
    put(tmp_path, "acme/monday/a/2.png")
    seen.append(look("inbox", tmp_path).arrivals[0].fingerprint)
    assert len(set(seen)) == 4
    put(tmp_path, "acme/monday/.complete")
    assert look("inbox", tmp_path).arrivals[0].fingerprint == seen[-1]


def test_marker_written_anew_shows(tmp_path: Path) -> None:
    put(tmp_path, "acme/monday/1.png")
    marker = put(tmp_path, "acme/monday/.complete")
    before = look("inbox", tmp_path).arrivals[0].marker
    os.utime(marker, (1, 1))
    assert look("inbox", tmp_path).arrivals[0].marker != before


def test_links_are_not_followed_and_stray_files_are_named(tmp_path: Path) -> None:
    put(tmp_path, "acme/monday/1.png")
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "2.png").write_text("x")
    (tmp_path / "inbox" / "acme" / "monday" / "link").symlink_to(outside)
    (tmp_path / "inbox" / "acme" / "evil").symlink_to(outside)
    (tmp_path / "inbox" / "away").symlink_to(outside)
    put(tmp_path, "stray.zip")
    seen = look("inbox", tmp_path)
    assert [(a.name, a.files) for a in seen.arrivals] == [("monday", 2)]  # the link counts as one file
    words = " ".join(seen.problems)
    assert len(seen.problems) == 3
    assert all(name in words for name in ("evil", "away", "stray.zip"))


def test_hidden_names_are_left_alone_and_skipped_places_unread(tmp_path: Path) -> None:
    put(tmp_path, ".cache/monday/1.png")
    put(tmp_path, "acme/.part/1.png")
    put(tmp_path, "acme/monday/1.png")
    put(tmp_path, "acme/tuesday/1.png")
    seen = look("inbox", tmp_path, lambda place, marker: place.endswith("tuesday"))
    assert [a.name for a in seen.arrivals] == ["monday"]


def test_what_cannot_be_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not UTF-8, and a source that keeps its folder shut."""
    put(tmp_path, "acme/\udcff/1.png")
    put(tmp_path, "bert/monday/1.png")
    put(tmp_path, "carl/tuesday/1.png")
    real = os.scandir

    def shut(path: str) -> object:
        if os.fspath(path).endswith("bert"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", shut)
    seen = look("inbox", tmp_path)
    assert [a.name for a in seen.arrivals] == ["tuesday"]
    assert [line.partition(" cannot be read: ")[2] for line in seen.problems] == [
        "its name is not UTF-8; it is left alone",
        "Permission denied; it is left alone",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_drop_that_may_not_be_read_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path, "acme/monday/a/1.png")
    put(tmp_path, "acme/tuesday/1.png")
    (tmp_path / "inbox" / "acme" / "monday" / "a").chmod(0)
    seen = look("inbox", tmp_path)
    (tmp_path / "inbox" / "acme" / "monday" / "a").chmod(0o755)
    assert [a.name for a in seen.arrivals] == ["tuesday"]
    assert "monday" in seen.problems[0]


@pytest.mark.parametrize(("inbox", "words"), [("nowhere", "is no folder"), ("ftp://host/x", "of kind ftp")])
def test_inbox_that_cannot_be_is_refused_in_words(tmp_path: Path, inbox: str, words: str) -> None:
    with pytest.raises(ParamsError, match=words):
        look(inbox, tmp_path)
