"""WebDataset: tars whose members are `KEY.jpg` (or png, webp...) and `KEY.cls` or `KEY.json`.

A folder with `train*.tar` and `test*.tar` (or folders `train/` and `test/` of tars), or any
tars and `held_out`. The label is the text of `KEY.cls`, a name or a number, else `label`,
`class`, `class_name` or `cls` of `KEY.json`. Other members are not read; nothing is unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from asd.datasets._base import LoadedSplit, Split, check_not_empty, need_source
from asd.datasets._decode import UnreadableError
from asd.datasets._images import PictureParams
from asd.datasets._pictures import Encoded, PictureTable, Rows, load_split, name_key, names_of, to_labels
from asd.datasets._tars import Member, members
from asd.datasets._wds import LABELS, PICTURES, json_label, split_name, text_label
from asd.errors import DataError
from asd.progress import Reporter
from asd.sources import source_files

_MAX_LABEL = 2**20  # bytes of a .cls or .json
_MAX_PICTURE = 2**28


class Params(PictureParams):
    """Pictures of any size; give `image_size` unless all are alike."""


@dataclass(frozen=True)
class _Entry:
    """One sample of a tar: its place in words, and its members by ending."""

    where: str
    parts: dict[str, Member] = field(repr=False)

    @property
    def picture(self) -> Member | None:
        found = [self.parts[ending] for ending in PICTURES if ending in self.parts]
        return found[0] if found else None


def load(params: Params, split: Split, source: Path | None, reporter: Reporter) -> LoadedSplit:
    """One split; the shape is that of its first picture unless `image_size` is set."""
    source = need_source(source, "webdataset")
    return load_split(params, split, open_table(params, source, split), source)


def open_table(params: Params, source: Path, split: Split) -> PictureTable:
    """The pictures of a split, or with `held_out` all; reads the labels.

    Raises:
        DataError: no such tars, a tar that is not in order, or a sample without a label.
    """
    if params.held_out is not None and split_tars(source, "test"):
        raise DataError(f"{source} has a test split; leave out held_out")
    train = _tars(params, source, "train")
    labels = _labels(train, source)
    names = names_of((text for _, text in labels), params.class_names)
    tars = train
    if split == "test" and params.held_out is None:
        tars = _tars(params, source, "test")
        labels = _labels(tars, source)

    def read(rows: Rows | None) -> Iterator[Encoded]:
        wanted = None if rows is None else set(rows.tolist())
        for row, entry in enumerate(_entries(tars, source)):
            if wanted is None or row in wanted:
                yield Encoded(row, entry.where, _picture(entry))

    return PictureTable(names, to_labels(labels, names), key=lambda row: name_key(labels[row][0]), read=read)


def split_tars(source: Path, split: Split) -> list[Path]:
    """The tars of a split by their names, such as `train.tar`, `train-000.tar` or `train/0.tar`."""
    if source.is_file():
        return []
    named = re.compile(rf"{split}([-_.0-9].*)?\.tar")
    return [
        path
        for path in source_files(source)
        if path.suffix == ".tar"
        and (
            path.relative_to(source).parts[0] == split or named.fullmatch(path.relative_to(source).as_posix())
        )
    ]


def all_tars(source: Path) -> list[Path]:
    """Every tar of a folder, or the one that the source is."""
    return [source] if source.is_file() else [path for path in source_files(source) if path.suffix == ".tar"]


def _tars(params: Params, source: Path, split: Split) -> list[Path]:
    found = all_tars(source) if params.held_out is not None else split_tars(source, split)
    if not found:
        cure = "; without a test split set held_out, such as 0.2" if split_tars(source, "train") else ""
        wanted = "tar" if params.held_out is not None else f"{split}*.tar and no folder {split} of tars"
        raise DataError(f"{source} has no {wanted}{cure}")
    return found


def _entries(tars: list[Path], source: Path) -> Iterator[_Entry]:
    """Samples in order; the members of one stand together.

    Raises:
        DataError: a key comes again, or twice with the same ending.
    """
    for path in tars:
        shown = path.name if source.is_file() else path.relative_to(source).as_posix()
        seen: set[str] = set()
        split_names = ((*split_name(member.name), member) for member in members(path))
        for key, group in groupby((one for one in split_names if one[0]), key=lambda one: one[0]):
            parts: dict[str, Member] = {}
            for _, ending, member in group:
                if ending in parts:
                    raise DataError(f"{shown}: member {member.name!r} is doubled")
                parts[ending] = member
            if key in seen:
                raise DataError(
                    f"{shown}: the members of sample {key!r} do not stand together, or it is doubled"
                )
            seen.add(key)
            yield _Entry(f"{shown}/{key}", parts)


def _labels(tars: list[Path], source: Path) -> list[tuple[str, str]]:
    """Place and label of each sample."""
    found = [(entry.where, _label(entry)) for entry in _entries(tars, source)]
    check_not_empty(len(found), "train", source)
    return found


def _label(entry: _Entry) -> str:
    for ending in ("cls", "json"):
        member = entry.parts.get(ending)
        if member is None:
            continue
        if member.size > _MAX_LABEL:
            raise DataError(
                f"{entry.where}: its .{ending} has {member.size} bytes, at most {_MAX_LABEL} are allowed"
            )
        text = (
            text_label(member.read(), entry.where)
            if ending == "cls"
            else json_label(member.read(), entry.where)
        )
        if text:
            return text
    raise DataError(
        f"{entry.where} has no label: wanted KEY.cls, or KEY.json with {', '.join(LABELS)}; if these are "
        "class folders in a tar, unpack it"
    )


def _picture(entry: _Entry) -> bytes | UnreadableError:
    member = entry.picture
    if member is None:
        reason = f"no picture among its members ({', '.join(sorted(entry.parts))})"
    elif member.size > _MAX_PICTURE:
        reason = f"{member.size} bytes, at most {_MAX_PICTURE} are allowed"
    else:
        return member.read()
    return UnreadableError(f"{entry.where}: {reason}", reason)
