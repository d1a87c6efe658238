"""Where a data set comes from, and that it is still what it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.sources import check_source, ensure_pointer, read_pointer, resolve_source, set_source


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "work")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    (tmp_path / "pictures" / "cats" / "1.png").write_bytes(b"one")
    (tmp_path / "pictures" / "b.png").write_bytes(b"two")
    return tmp_path / "pictures"


def test_the_pointer_in_git_holds_the_content_hash_and_nothing_else(layout: Layout, folder: Path) -> None:
    pointer = set_source(layout, "mine", folder)
    assert json.loads(layout.source("mine").read_text()) == pointer
    assert set(pointer) == {"content_sha256", "kind"}
    assert pointer["kind"] == "folder"
    assert "pictures" not in layout.source("mine").read_text()


def test_the_location_is_kept_on_this_machine_and_found_again(layout: Layout, folder: Path) -> None:
    set_source(layout, "mine", folder)
    set_source(layout, "other", folder / "b.png")
    assert resolve_source(layout, "mine") == folder
    assert resolve_source(layout, "other") == folder / "b.png"
    assert str(folder) in layout.locations.read_text()


def test_a_source_that_nobody_set_is_none(layout: Layout) -> None:
    assert resolve_source(layout, "mine") is None
    assert check_source(layout, "mine") is None


def test_the_hash_depends_on_names_and_contents_and_not_on_the_place(layout: Layout, folder: Path) -> None:
    first = set_source(layout, "mine", folder)
    moved = folder.rename(folder.with_name("elsewhere"))
    assert set_source(layout, "mine", moved) == first
    (moved / "b.png").rename(moved / "c.png")
    assert set_source(layout, "mine", moved) != first


def test_hidden_files_do_not_count(layout: Layout, folder: Path) -> None:
    first = set_source(layout, "mine", folder)
    (folder / ".DS_Store").write_bytes(b"x")
    assert set_source(layout, "mine", folder) == first


def test_the_environment_wins_over_the_file(
    layout: Layout, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_source(layout, "my_set", folder)
    moved = folder.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("ASD_SOURCE_MY_SET", str(moved))
    assert check_source(layout, "my_set") == moved


def test_changed_content_is_refused_with_the_command_that_renews_the_pointer(
    layout: Layout, folder: Path
) -> None:
    set_source(layout, "mine", folder)
    assert check_source(layout, "mine") == folder
    (folder / "b.png").write_bytes(b"changed")
    with pytest.raises(DataError, match=rf"`asd source set mine {folder}`"):
        check_source(layout, "mine")


def test_a_location_without_a_pointer_is_refused(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASD_SOURCE_MINE", str(folder))
    with pytest.raises(DataError, match="renew it with `asd source set mine"):
        check_source(layout, "mine")


def test_a_pointer_without_a_location_on_this_machine_says_what_to_type(layout: Layout, folder: Path) -> None:
    set_source(layout, "mine", folder)
    layout.locations.unlink()
    with pytest.raises(ParamsError, match="`asd source set mine PATH` or ASD_SOURCE_MINE"):
        check_source(layout, "mine")


def test_a_missing_path_is_named_and_nothing_is_written(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="nowhere of data set mine does not exist"):
        set_source(layout, "mine", tmp_path / "nowhere")
    assert not layout.source("mine").exists()


def test_a_path_that_went_away_is_named(layout: Layout, folder: Path) -> None:
    set_source(layout, "mine", folder)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(ParamsError, match=r"pictures of data set mine does not exist \(from .*sources.yaml"):
        resolve_source(layout, "mine")


def test_an_empty_folder_is_refused(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty is empty"):
        set_source(layout, "mine", tmp_path / "empty")


def test_a_link_to_a_folder_is_refused(layout: Layout, folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    with pytest.raises(DataError, match="loop is a link to a folder"):
        set_source(layout, "mine", folder)


def test_a_pipe_is_refused_and_nobody_waits_for_its_writer(layout: Layout, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(DataError, match="pipe is no regular file"):
        set_source(layout, "mine", folder)


def test_an_address_is_kept_with_its_declared_hash(layout: Layout) -> None:
    pointer = set_source(layout, "mine", "https://example.org/x.tar.gz", sha256="0" * 64)
    assert pointer == {"content_sha256": "0" * 64, "kind": "url"}
    assert check_source(layout, "mine") == "https://example.org/x.tar.gz"
    assert set_source(layout, "mine", "http://example.org/y")["content_sha256"] is None


@pytest.mark.parametrize("location", ["ftp://example.org/x", "file:///etc/passwd", "s3://bucket/x"])
def test_other_addresses_are_refused(layout: Layout, location: str) -> None:
    with pytest.raises(ParamsError, match="wanted a path or an http"):
        set_source(layout, "mine", location)


@pytest.mark.parametrize("name", ["../x", "Mine", "", "a b"])
def test_a_bad_name_is_refused(layout: Layout, folder: Path, name: str) -> None:
    with pytest.raises(ParamsError, match="bad data set name"):
        set_source(layout, name, folder)


def test_a_declared_hash_must_hold(layout: Layout, folder: Path) -> None:
    with pytest.raises(ParamsError, match="wanted 64 lower-case hex"):
        set_source(layout, "mine", "https://example.org/x", sha256="abc")
    with pytest.raises(ParamsError, match="not the declared"):
        set_source(layout, "mine", folder / "b.png", sha256="0" * 64)


def test_seeds_may_have_a_source_too(layout: Layout, folder: Path) -> None:
    set_source(layout, "seeds", folder)
    assert check_source(layout, "seeds") == folder


def test_a_pointer_is_made_where_there_is_none_and_left_where_there_is(layout: Layout, folder: Path) -> None:
    assert ensure_pointer(layout, "digits") == {"content_sha256": None, "kind": "embedded"}
    pointer = set_source(layout, "mine", folder)
    assert ensure_pointer(layout, "mine") == pointer


def test_a_damaged_pointer_is_named(layout: Layout) -> None:
    ensure_pointer(layout, "mine")
    layout.source("mine").write_text('{"kind": "folder"}')
    with pytest.raises(DataError, match=r"mine\.json: wanted content_sha256"):
        read_pointer(layout, "mine")


def test_a_damaged_file_of_locations_is_named(layout: Layout) -> None:
    layout.locations.parent.mkdir(parents=True)
    layout.locations.write_text("[1, 2]")
    with pytest.raises(ParamsError, match=r"sources\.yaml: wanted"):
        resolve_source(layout, "mine")


def test_a_test_set_stands_beside_its_data_set_in_one_pointer(layout: Layout, folder: Path) -> None:
    data = set_source(layout, "mine", folder / "cats")
    test = set_source(layout, "mine.test", folder)
    assert json.loads(layout.source("mine").read_text()) == {**data, "test": test}
    assert (read_pointer(layout, "mine"), read_pointer(layout, "mine.test")) == (data, test)
    assert (check_source(layout, "mine"), check_source(layout, "mine.test")) == (folder / "cats", folder)


def test_another_source_leaves_the_test_set_as_it_is(layout: Layout, folder: Path) -> None:
    test = set_source(layout, "mine.test", folder)
    data = set_source(layout, "mine", folder / "cats")
    assert json.loads(layout.source("mine").read_text()) == {**data, "test": test}


def test_a_data_set_may_be_embedded_and_have_a_test_set(layout: Layout, folder: Path) -> None:
    set_source(layout, "mine.test", folder)
    assert check_source(layout, "mine") is None
    assert read_pointer(layout, "other.test")["kind"] == "embedded"


def test_a_test_set_has_an_environment_variable_of_its_own(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASD_SOURCE_MINE__TEST", str(folder))
    assert resolve_source(layout, "mine.test") == folder
    assert resolve_source(layout, "mine") is None


def test_a_changed_test_set_is_refused(layout: Layout, folder: Path) -> None:
    set_source(layout, "mine.test", folder)
    (folder / "b.png").write_bytes(b"three")
    with pytest.raises(DataError, match=r"asd source set mine\.test"):
        check_source(layout, "mine.test")


def test_a_test_set_is_no_address(layout: Layout) -> None:
    with pytest.raises(ParamsError, match="must lie on this machine"):
        set_source(layout, "mine.test", "https://example.com/x")


def test_a_damaged_test_part_is_named(layout: Layout, folder: Path) -> None:
    set_source(layout, "mine", folder)
    pointer = json.loads(layout.source("mine").read_text())
    layout.source("mine").write_text(json.dumps({**pointer, "test": {"kind": "odd"}}))
    with pytest.raises(DataError, match="wanted content_sha256"):
        read_pointer(layout, "mine")
