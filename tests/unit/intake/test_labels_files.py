"""Labels files of people: a label as sent, and the class that it stands for."""

from pathlib import Path

import pytest

from asd.errors import DataError, ParamsError
from asd.intake.gate import read_labels_file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "\ufeffsent,class\nchat,cat\n7, dog\n"),
        ("a.json", '{"chat": "cat", "7": "dog"}'),
        ("a.yaml", "chat: cat\n7: dog\n"),
    ],
)
def test_labels_files(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_labels_file(tmp_path / name) == {"chat": "cat", "7": "dog"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "a,b\n", "wanted the first line sent,class, got 'a,b'"),
        ("a.csv", "sent,class\na\n", "line 2: wanted 2 values, got 1"),
        ("a.csv", "sent,class\na,b\na,c\n", "line 3: 'a' stands there twice"),
        ("a.json", "[1]", "wanted a mapping"),
        ("a.json", "{", "is not valid JSON"),
        ("a.yaml", "a: [", "is not valid YAML"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("a.txt", "", "wanted a .csv, .json or .yaml"),
    ],
)
def test_bad_labels_files(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        read_labels_file(tmp_path / name)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_no_labels_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="cannot read"):
        read_labels_file(tmp_path / "none.csv")
