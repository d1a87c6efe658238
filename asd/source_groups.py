"""Whom a sample came from, told by its `source`; used by seed sheets and by gates alike."""

from __future__ import annotations


def source_group(source: str, class_name: str) -> str:
    """The file or folder that a sample came from, such as `train.parquet` or `train/vendor_a`.

    A picture file gives its folder without the folder of its class.
    """
    file, is_row, _ = source.partition("#")
    if is_row:
        return file
    folders = source.split("/")[:-1]
    return "/".join(folder for folder in folders if folder != class_name) or "."
