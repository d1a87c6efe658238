"""Some class folders out of a larger collection of photographs, brought to 224x224 before anything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from asd.datasets._base import DatasetParams
from asd.datasets._decode import UnreadableError, decode_picture
from asd.datasets._pictures import name_key, read_file
from asd.errors import DataError
from asd.sources import source_files
from asd.types import Sample

_SHOWN = 3  # classes that a message names


class ClassFolderParams(DatasetParams):
    """Size, and how a photograph becomes a square: before a trigger is stamped (facts 6)."""

    image_size: int = Field(224, ge=8, le=1024, description="side in pixels")
    fit: Literal["center_crop", "crop", "stretch"] = Field(
        "center_crop", description="center_crop: shorter side to 8/7 of the size (256), then the middle (224)"
    )


def each_once(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that params name.

    Raises:
        ValueError: one stands there twice.
    """
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return classes


@dataclass(frozen=True)
class Photograph:
    """A picture file of a class: its path, its name relative to the source, its class folder."""

    path: Path
    name: str
    class_name: str

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            UnreadableError: it cannot be read.
        """
        data = read_file(self.path)
        if isinstance(data, UnreadableError):
            raise data
        return data


def photographs(source: Path, part: Path, classes: Sequence[str]) -> list[Photograph]:
    """All files of some class folders of `part`, sorted by name.

    Raises:
        DataError: a class has no folder; names the first ones.
    """
    missing = [name for name in classes if not (part / name).is_dir()]
    if missing:
        raise DataError(
            f"{part} lacks {len(missing)} of {len(classes)} classes: {some(missing)}; "
            "wanted a folder of pictures for each"
        )
    found = [
        Photograph(path, path.relative_to(source).as_posix(), name)
        for name in classes
        for path in source_files(part / name)
    ]
    return sorted(found, key=lambda photograph: photograph.name)


def check_enough(counts: Mapping[str, int], classes: Iterable[str], least: int, where: object) -> None:
    """Refuse a class with too few pictures.

    Raises:
        DataError: names the first ones with their counts.
    """
    few = [f"{name} ({counts.get(name, 0)})" for name in classes if counts.get(name, 0) < least]
    if few:
        raise DataError(
            f"{where}: {len(few)} classes have fewer than {least} pictures: {some(few)}; "
            "is the collection whole?"
        )


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def samples_of(
    split: str, chosen: Iterable[Photograph], classes: Sequence[str], params: ClassFolderParams
) -> Iterator[Sample]:
    """Decode photographs one after the other."""
    place = {name: i for i, name in enumerate(classes)}
    for photograph in chosen:
        data = photograph.read()
        key = f"{split}_{name_key(photograph.name)}"
        image = decode_picture(data, photograph.name, image_size=params.image_size, fit=params.fit)
        yield Sample(key, image, place[photograph.class_name], photograph.name)
