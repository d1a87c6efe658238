"""Files that params of attacks name: names that no path can have, and what is no file."""

import os

import pytest

from asd.attacks import _files
from asd.errors import DataError, ParamsError

SHA = "0" * 64
READERS = [_files.read_picture, _files.picture_files, _files.checked_place]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\0b", "embedded null byte"),
        ("~nosuchuser/x.png", "home directory"),
        ("a" * 256 + ".png", "File name too long"),
    ],
)
def test_a_name_that_no_path_can_have_is_told(tmp_path, read, name, said):
    with pytest.raises(ParamsError, match=rf"^prepare.x: cannot look for '.*{said}"):
        read(tmp_path, name, SHA, "prepare.x")


@pytest.mark.parametrize("read", [_files.read_picture, _files.checked_place])
def test_a_pipe_and_a_device_are_refused_unread(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    for place in ("pipe.png", "/dev/null"):
        with pytest.raises(DataError, match=rf"prepare.x: .*{place} is no regular file"):
            read(tmp_path, place, SHA, "prepare.x")


def test_a_picture_is_read_up_to_the_limit_whatever_its_size_says(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "_MOST_BYTES", 4)
    (tmp_path / "a.png").write_bytes(b"1234")
    assert _files.read_regular(tmp_path / "a.png", "x") == b"1234"
    (tmp_path / "a.png").write_bytes(b"12345")
    with pytest.raises(DataError, match=r"x: .*a.png has more than"):
        _files.read_regular(tmp_path / "a.png", "x")
