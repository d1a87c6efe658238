"""Bring a data set's source onto this machine: the path that somebody set, or a download."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from asd.datasets._base import Download, need_source
from asd.datasets._download import download
from asd.errors import ParamsError
from asd.layout import Layout
from asd.params import Variant
from asd.progress import Reporter
from asd.sources import TEST, Files, check_drops, check_source, read_pointer


def obtain(layout: Layout, variant: Variant, reporter: Reporter) -> Path | None:
    """The file or folder that the plug-in of `variant` reads; None if it needs none or has none.

    Checked on every call: a path against the pointer in git, a download against its hash.

    Raises:
        ParamsError: the source is missing, or an address where the plug-in can take none.
        DataError: content other than the pointer or the hash says, or a download that failed.
    """
    if getattr(variant.module, "WORKSPACE", False):
        check_drops(layout, variant.name)
        return layout.root
    place = check_source(layout, variant.name, chosen_files(variant.module, variant.params))
    if isinstance(place, Path):
        return place
    downloads = getattr(variant.module, "downloads", None)
    if downloads is None:
        if place is not None:
            raise ParamsError(
                f"data set {variant.name} cannot be read from an address; download it first, "
                f"then `asd source set {variant.name} PATH`"
            )
        return None if getattr(variant.module, "EMBEDDED", False) else need_source(None, variant.name)
    files: Sequence[Download] = downloads(variant.params, place)
    declared = read_pointer(layout, variant.name)["content_sha256"]
    if declared is not None and len(files) == 1:
        files = [replace(files[0], sha256=declared)]
    # Another address must not find the files of the first.
    folder = layout.downloads / variant.name / hashlib.sha256(files[0].url.encode()).hexdigest()[:12]
    for file in files:
        download(file.url, folder / file.name, file.sha256, reporter)
    return folder


def chosen_files(module: ModuleType, params: Any) -> Files | None:
    """The files that a plug-in takes from a larger folder; None where it takes all."""
    choose = getattr(module, "chosen_files", None)
    return None if choose is None else functools.partial(choose, params)


def test_source(layout: Layout, dataset: str) -> Path:
    """Where the test set of `test: folder` lies, checked against its pointer.

    Raises:
        ParamsError: nobody has said where.
        DataError: content other than the pointer says.
    """
    place = check_source(layout, dataset + TEST)
    if not isinstance(place, Path):
        raise ParamsError(
            f"datasets.{dataset}.test is folder: `asd source set {dataset}{TEST} PATH` names it"
        )
    return place
