"""Whom a sample came from, told by its `source`; used by seed sheets, gates, evaluation and audit alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DROP = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)/drop-(\d{4,})/")


def drop_source(vendor: str, number: int, path: str) -> str:
    """The `source` of a sample of a drop, such as `acme/drop-0007/cats/12.jpg`; the path is as sent."""
    return f"{vendor}/drop-{number:04d}/{path}"


def drop_of(source: str) -> tuple[str, int] | None:
    """Vendor and number of the drop that a sample came from; None if it came from none."""
    found = _DROP.match(source)
    return (found[1], int(found[2])) if found else None


def by_drop(sources: Sequence[str]) -> dict[tuple[str, int], list[int]]:
    """Vendor and number of each drop -> rows of its samples, drops in the order in which they come."""
    found: dict[tuple[str, int], list[int]] = {}
    for row, source in enumerate(sources):
        drop = drop_of(source)
        if drop is not None:
            found.setdefault(drop, []).append(row)
    return found


def source_group(source: str, class_name: str) -> str:
    """The file, folder or drop that a sample came from, such as `train.parquet` or `acme/drop-0007`.

    A picture file gives its folder without the folder of its class.
    """
    drop = _DROP.match(source)
    if drop:
        return drop[0].rstrip("/")
    file, is_row, _ = source.partition("#")
    if is_row:
        return file
    folders = source.split("/")[:-1]
    return "/".join(folder for folder in folders if folder != class_name) or "."
