"""What classes must be like before anything is trained on them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from asd.errors import DataError

LEAST_A_CLASS = 5
"""Training images below which a class is not worth a class: some become seeds, some must be left."""


def check_classes(class_names: Sequence[str], counts: Sequence[int]) -> None:
    """Refuse classes that cannot be told apart or are too small, before a picture is read.

    Args:
        counts: pictures of each class, readable or not.

    Raises:
        DataError: says what was got and what was wanted.
    """
    if len(class_names) < 2:
        only = f" ({class_names[0]!r})" if class_names else ""
        raise DataError(f"one class only{only}; a classifier needs two or more")
    _check_names(class_names)
    check_counts(class_names, counts, "pictures")


def _check_names(class_names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in class_names:
        if not name.isprintable():
            raise DataError(f"class name {name!r} holds characters that cannot be shown; rename it")
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        if plain in seen:
            raise DataError(
                f"classes {seen[plain]!r} and {name!r} differ only in case or spacing; if they are one, "
                "put them together, else give them names that differ"
            )
        seen[plain] = name


def check_counts(class_names: Sequence[str], counts: Sequence[int], of_what: str) -> None:
    """Refuse a class with less than a handful.

    Raises:
        DataError: names the classes.
    """
    few = [(name, n) for name, n in zip(class_names, counts, strict=True) if n < LEAST_A_CLASS]
    if not few:
        return
    shown = ", ".join(f"{name!r} has {n}" for name, n in few[:5])
    more = f" and {len(few) - 5} more classes have too few" if len(few) > 5 else ""
    raise DataError(
        f"too few {of_what}: class {shown}{more}; wanted at least {LEAST_A_CLASS} each: "
        "add pictures, or take the class out"
    )
