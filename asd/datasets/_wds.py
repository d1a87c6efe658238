"""Names and labels in WebDataset tars."""

from __future__ import annotations

import json

from asd.errors import DataError

PICTURES = ("png", "jpg", "jpeg", "webp", "bmp", "gif")
LABELS = ("label", "class", "class_name", "cls")


def split_name(name: str) -> tuple[str, str]:
    """Key and ending: the ending begins at the first dot of the last part; hidden files have no key."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, ending = base.partition(".")
    return (folder + slash + stem if stem else ""), ending.lower()


def text_label(data: bytes, where: str) -> str:
    """The label that a .cls holds.

    Raises:
        DataError: it is not text.
    """
    try:
        return data.decode().strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: its .cls is not UTF-8 text") from error


def json_label(data: bytes, where: str) -> str | None:
    """The label that a .json holds, if it holds one.

    Raises:
        DataError: it is not JSON, or its label is neither a name nor a whole number.
    """
    try:
        note = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: its .json is not valid JSON") from error
    found = [note[name] for name in LABELS if name in note] if isinstance(note, dict) else []
    if not found:
        return None
    if isinstance(found[0], bool) or not isinstance(found[0], (str, int)):
        raise DataError(f"{where}: its label is {found[0]!r}, wanted a name or a whole number")
    return str(found[0]).strip()
