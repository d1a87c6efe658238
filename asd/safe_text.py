"""Texts of strangers made fit to be shown: on a page, on a sheet, in a terminal."""

from __future__ import annotations

import unicodedata

_LONGEST = 120
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def safe_text(text: str, longest: int = _LONGEST) -> str:
    """The text with control, direction and line characters replaced, cut to `longest` characters."""
    shown = "".join("�" if unicodedata.category(c) in _HIDDEN else c for c in str(text)[:longest])
    return shown + ("…" if len(str(text)) > longest else "")


def drawable(text: str) -> str:
    """What Pillow's own font can draw: no accents, `?` for other letters; the page shows them as they are."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(c for c in parts if not unicodedata.combining(c)).encode("ascii", "replace").decode()
