"""Markdown of texts that may quote strangers: names of files, labels, messages about them."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|!~])")


def escaped(text: str) -> str:
    """The text as one line that shows as it stands: no link, no picture, no HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str) -> str:
    """A block that shows as it stands; the fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
