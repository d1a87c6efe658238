"""Sample keys: what may stand before the dot of a tar member's name."""

from __future__ import annotations

import re

from asd.errors import DataError

MAX_KEY = 90  # a USTAR name holds 100 bytes, and the longest ending is `.json`
_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_KEY}}}", re.ASCII)


def check_key(key: str) -> str:
    """Return `key` if it is a legal sample key.

    Raises:
        DataError: it holds anything but letters, digits, `_` and `-`, or is too long or empty.
    """
    if not _KEY.fullmatch(key):
        raise DataError(f"bad sample key {key!r}: wanted 1 to {MAX_KEY} letters, digits, '_' or '-'")
    return key
