"""What is checked of a file before anything is decoded: its name, its first bytes, its label. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

MOST_PARTS = 32
"""Folders in a name."""
_LONGEST_NAME = 1024  # bytes
_LONGEST_LABEL = 100
_NO_LABEL = ("", "nan", "none", "null", "<na>")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_ENDINGS = {
    "png": "PNG",
    "apng": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "jpe": "JPEG",
    "jfif": "JPEG",
    "webp": "WEBP",
    "bmp": "BMP",
    "dib": "BMP",
    "gif": "GIF",
}
ARCHIVES = ("zip", "tar", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "7z", "rar", "zst")

Problem = tuple[str, str]
"""A code of `asd.intake.reasons`, and words."""


def check_name(name: str) -> Problem | None:
    """What is wrong with the name of a file of a drop, if anything.

    The name is never used as a path; it is checked because people and programs will see it.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # a byte that is no UTF-8 became half a surrogate pair
        return "bad-name", "the name is not UTF-8"
    parts = name.split("/")
    if length > _LONGEST_NAME or len(parts) > MOST_PARTS:
        return "long-name", f"a name of {length} bytes and {len(parts)} parts"
    if any(unicodedata.category(letter) in _HIDDEN for letter in name):
        return "bad-name", "the name holds characters that are not shown"
    if "\\" in name or name[1:2] == ":" or not all(parts) or {".", ".."} & set(parts):
        return "unsafe-path", "the name is no plain path that counts from the drop's folder"
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return "hidden-file", "the name is hidden"
    return None


def picture_format(data: bytes) -> str | None:
    """PNG, JPEG, WEBP, BMP or GIF by the first bytes, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return "BMP" if data.startswith(b"BM") else None


def ending_of(name: str) -> str:
    """What stands behind the last dot of a name, in small letters."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def check_bytes(name: str, data: bytes, *, named: bool) -> Problem | None:
    """Whether these are the first bytes of a picture, and the ending says the same.

    Args:
        name: of the file.
        data: its bytes.
        named: whether the name has an ending; a row of a table has none.
    """
    if not data:
        return "empty", "the file has no bytes"
    found = picture_format(data)
    ending = ending_of(name) if named else ""
    if found is None:
        if ending in ARCHIVES:
            return "nested-archive", f"a .{ending} file inside the drop is not opened"
        return "not-a-picture", f"its first bytes are {data[:8].hex(' ')}"
    if named and _ENDINGS.get(ending) != found:
        return "wrong-ending", f"the first bytes say {found}, the ending says {ending[:20] or 'nothing'!r}"
    return None


class Labels:
    """Brings labels as sent to names of classes.

    Args:
        class_names: the classes, or None where any label will do.
        sent: the drop's label file: label as sent -> name.
    """

    def __init__(self, class_names: Sequence[str] | None, sent: Mapping[str, str]) -> None:
        named = {unicodedata.normalize("NFC", name): name for name in class_names or ()}
        self._names = None if class_names is None else named
        self._sent = sent
        self._by_number: dict[str, str] = {}
        if class_names is not None and not any(name.isdecimal() for name in class_names):
            self._by_number = {str(number): name for number, name in enumerate(class_names)}

    def judge(self, label: str | None) -> tuple[str, Problem | None]:
        """The class, or what is wrong with the label."""
        text = unicodedata.normalize("NFC", (label or "").strip())
        text = unicodedata.normalize("NFC", self._sent.get(text, text))
        if text.lower() in _NO_LABEL and text not in (self._names or ()):
            return text, ("no-label", f"the label is {text!r}" if text else "there is no label")
        if len(text) > _LONGEST_LABEL or any(unicodedata.category(letter) in _HIDDEN for letter in text):
            return text, ("bad-label", f"a label of {len(text)} characters, some of which may not be shown")
        if self._names is None:
            return text, None
        if text in self._names:
            return self._names[text], None
        if text in self._by_number:
            return self._by_number[text], None
        return text, ("unknown-label", f"the label {text!r} is none of {len(self._names)} classes")
