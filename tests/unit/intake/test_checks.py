"""Names, first bytes and labels."""

import pytest

from asd.intake.checks import Labels, check_bytes, check_name, ending_of, picture_format

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("cat/1.png", None),
        ("cat/caf\u00e9 \U0001f408.png", None),
        ("a" * 1024, None),
        ("a" * 1025, "long-name"),
        ("/".join("a" * 32), None),
        ("/".join("a" * 33), "long-name"),
        ("/cat/1.png", "unsafe-path"),
        ("cat/../1.png", "unsafe-path"),
        ("cat//1.png", "unsafe-path"),
        ("./1.png", "unsafe-path"),
        ("cat\\1.png", "unsafe-path"),
        ("C:1.png", "unsafe-path"),
        ("cat/", "unsafe-path"),
        ("", "unsafe-path"),
        ("cat/.1.png", "hidden-file"),
        ("__MACOSX/1.png", "hidden-file"),
        ("cat/\n.png", "bad-name"),
        ("cat/\u202e.png", "bad-name"),
        ("cat/\udcff.png", "bad-name"),
    ],
)
def test_names(name: str, code: str | None) -> None:
    found = check_name(name)
    assert (found and found[0]) == code


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (PNG, "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"GIF89a", "GIF"),
        (b"GIF88a", None),
        (b"BM", "BMP"),
        (b"II*\0", None),
        (b"", None),
    ],
)
def test_formats_by_first_bytes(data: bytes, form: str | None) -> None:
    assert picture_format(data) == form


def test_the_ending_must_say_what_the_bytes_say() -> None:
    assert check_bytes("cat/1.PNG", PNG, named=True) is None
    assert check_bytes("cat/1.jpg", PNG, named=True)[0] == "wrong-ending"
    assert check_bytes("cat/1", PNG, named=True)[0] == "wrong-ending"
    assert check_bytes("table.parquet#3", PNG, named=False) is None
    assert check_bytes("cat/1.png", b"", named=True)[0] == "empty"
    assert check_bytes("cat/1.zip", b"PK", named=True)[0] == "nested-archive"
    assert check_bytes("cat/1.txt", b"PK", named=True)[0] == "not-a-picture"


def test_endings() -> None:
    assert [ending_of(name) for name in ("a.b/c", "a/b.TAR.gz", "x", "x.")] == ["", "gz", "", ""]


def test_labels_by_name_number_and_labels_file() -> None:
    labels = Labels(("cat", "dog"), {"chien": "dog", "7": "cat"})
    assert labels.judge("cat") == ("cat", None)
    assert labels.judge(" dog ") == ("dog", None)
    assert labels.judge("1") == ("dog", None)
    assert labels.judge("chien") == ("dog", None)
    assert labels.judge("7") == ("cat", None)
    assert labels.judge("2")[1][0] == "unknown-label"
    assert labels.judge("Cat")[1][0] == "unknown-label"
    for none in (None, "", "  ", "nan", "NaN", "None"):
        assert labels.judge(none)[1][0] == "no-label"


def test_a_class_may_be_called_by_a_number_or_null() -> None:
    labels = Labels(("1", "0", "null"), {})
    assert labels.judge("0") == ("0", None)
    assert labels.judge("null") == ("null", None)
    assert labels.judge("2")[1][0] == "unknown-label"


def test_two_spellings_of_one_letter_are_one_class() -> None:
    labels = Labels(("cafe\u0301", "dog"), {"x": "caf\u00e9"})
    assert labels.judge("caf\u00e9") == ("cafe\u0301", None)
    assert labels.judge("x") == ("cafe\u0301", None)


def test_without_classes_any_label_that_can_be_shown_will_do() -> None:
    labels = Labels(None, {})
    assert labels.judge("x" * 100) == ("x" * 100, None)
    assert labels.judge("x" * 101)[1][0] == "bad-label"
    assert labels.judge("a\u200bb")[1][0] == "bad-label"
    assert labels.judge("cafe\u0301") == ("caf\u00e9", None)
