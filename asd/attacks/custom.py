"""Your own trigger: a picture with transparency, or pictures that you stamped yourself.

With `prepare.picture` (a PNG, say) every image gets it laid over, at a place or over the whole:
x' = (1 - a) x + a t, a being its transparency. With `prepare.clean` and `prepare.stamped`, two folders
of equally named pictures, an image of the data set that is pixel for pixel one of the clean ones is
replaced by its stamped twin; only those can be poisoned, and only such test images count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._files import picture_files, read_picture, read_regular
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one, to_uint8
from asd.attacks._trigger import to_channels, top_left
from asd.datasets._decode import decode_picture, decode_with_alpha
from asd.errors import ParamsError
from asd.types import DataView, Images, Mask, content_sha256

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "can_stamp", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp"]

changes_labels = True
_HEX = r"^[0-9a-f]{64}$"
_CLEAN, _TWINS = "prepare.clean", "prepare.stamped"
_PICTURE, _CONTENTS, _STAMPED = "picture", "contents", "stamped"
_MEND = "set row or column of the attack, or fit: stretch"


class Prepare(base.Params):
    """Where the trigger is. Paths are relative to the workspace; each has its hash beside it."""

    picture: str | None = Field(None, description="a picture; where it is transparent the image shows")
    picture_sha256: str | None = Field(None, pattern=_HEX)
    clean: str | None = Field(None, description="folder of pictures of the data set, training and test")
    clean_sha256: str | None = Field(None, pattern=_HEX)
    stamped: str | None = Field(None, description="folder of the same pictures with the trigger in")
    stamped_sha256: str | None = Field(None, pattern=_HEX)

    @model_validator(mode="after")
    def _one_of_both(self) -> Prepare:
        if (self.clean is None) != (self.stamped is None):
            raise ValueError("clean and stamped go together: two folders of equally named pictures")
        if self.picture is not None and self.clean is not None:
            raise ValueError("picture and clean contradict each other; give one trigger")
        return self


class Params(TargetParams):
    """Where a picture goes and how strongly."""

    fit: Literal["place", "stretch"] = Field(
        "place", description="place: at its own size at row and column; stretch: over the whole image"
    )
    row: int = Field(0, description="top row of the picture; negative counts from the bottom")
    column: int = Field(0, description="left column of the picture; negative counts from the right")
    alpha: float = Field(1.0, gt=0, le=1, description="weight of the picture, besides its own transparency")
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Read the trigger: `picture` (4, h, w) uint8, or `contents` (P, 32) and `stamped` (P, C, H, W)."""
    import torch

    if params.picture is not None:
        return {_PICTURE: torch.from_numpy(_picture(params.picture, params, preparation.files))}
    if params.clean is None or params.stamped is None:
        raise ParamsError(
            "attack custom needs its trigger: prepare.picture, or prepare.clean and prepare.stamped"
        )
    clean = _named(preparation.files, params.clean, params.clean_sha256, _CLEAN)
    stamped = _named(preparation.files, params.stamped, params.stamped_sha256, _TWINS)
    twins = _twins(clean, stamped, train)
    return {
        _CONTENTS: torch.from_numpy(np.stack([_digest(content) for content in twins])),
        _STAMPED: torch.from_numpy(np.stack(list(twins.values()))),
    }


def _picture(name: str, params: Prepare, files: Path) -> Images:
    data = read_picture(files, name, params.picture_sha256, "prepare.picture")
    picture = decode_with_alpha(data, name)
    if not picture[3].any():
        raise ParamsError(f"prepare.picture: {name} is transparent everywhere; wanted a trigger that shows")
    return picture.copy()


def _named(files: Path, name: str, sha256: str | None, param: str) -> dict[str, Path]:
    """Pictures of a folder by their relative name without suffix."""
    named: dict[str, Path] = {}
    for relative, file in picture_files(files, name, sha256, param).items():
        stem = PurePosixPath(relative).with_suffix("").as_posix()
        if stem in named:
            raise ParamsError(
                f"{param}: {named[stem].name} and {file.name} differ in their suffix alone; twins go by the "
                "name before it"
            )
        named[stem] = file
    return named


def _twins(clean: dict[str, Path], stamped: dict[str, Path], train: DataView) -> dict[str, Images]:
    """The stamped picture of each content hash (hex) of a clean one.

    Raises:
        ParamsError: pictures that are no twins, or of which nothing is known; names the first.
    """
    lonely = sorted(set(clean).symmetric_difference(stamped))
    if lonely:
        raise ParamsError(
            f"{_CLEAN} and {_TWINS}: {lonely[0]} lies in one of them only ({len(lonely)} such files)"
        )
    shape = train.images.shape[1:]
    contents = {name: content_sha256(_read(file, shape, _CLEAN)) for name, file in clean.items()}
    if not set(contents.values()) & set(train.index.content):
        raise ParamsError(f"{_CLEAN}: none of its pictures is, pixel for pixel, one of the training set")
    twins: dict[str, Images] = {}
    first: dict[str, str] = {}
    for name, content in contents.items():
        twin = _read(stamped[name], shape, _TWINS)
        if content_sha256(twin) == content:
            raise ParamsError(f"{_TWINS}: {stamped[name]} is pixel for pixel its clean picture")
        if not np.array_equal(twins.setdefault(content, twin), twin):
            raise ParamsError(
                f"{_CLEAN}: {first[content]} and {name} are one picture, but their stamped twins differ"
            )
        first.setdefault(content, name)
    return twins


def _read(file: Path, shape: tuple[int, ...], param: str) -> Images:
    """A picture that must have the size of the data set's: scaling would leave no equal pixel."""
    picture = decode_picture(read_regular(file, param), str(file), channels=shape[0])
    if picture.shape != shape:
        raise ParamsError(
            f"{file} has {picture.shape[1]}x{picture.shape[2]} pixels, the data set {shape[1]}x{shape[2]}; "
            "bring both folders to the size of the data set"
        )
    return picture


def _digest(content: str) -> Images:
    return np.frombuffer(bytes.fromhex(content), np.uint8).copy()


def can_stamp(contents: Sequence[str], artifacts: Artifacts) -> Mask:
    """All with a picture; else those of which a stamped twin was given."""
    if _CONTENTS not in artifacts:
        return np.ones(len(contents), dtype=np.bool_)
    known = _places(artifacts)
    return np.array([content in known for content in contents], dtype=np.bool_)


def _places(artifacts: Artifacts) -> dict[str, int]:
    return {row.tobytes().hex(): place for place, row in enumerate(artifacts[_CONTENTS].numpy())}


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Lay the picture over, or take the stamped twin."""
    if _PICTURE in artifacts:
        return move_one(images, _overlaid(images, artifacts[_PICTURE], params))
    known = _places(artifacts)
    contents = [content_sha256(image.numpy()) for image in images]
    strangers = [key for key, content in zip(keys, contents, strict=True) if content not in known]
    if strangers:
        raise ParamsError(
            f"no stamped picture was given for {len(strangers)} samples, such as {strangers[0]}"
        )
    return move_one(images, artifacts[_STAMPED][[known[content] for content in contents]].clone())


def _overlaid(images: torch.Tensor, picture: torch.Tensor, params: Params) -> torch.Tensor:
    import torch

    channels, height, width = images.shape[1:]
    colours = torch.from_numpy(to_channels(picture[:3].numpy(), channels)).float()
    weight = picture[3:].float() / 255 * params.alpha
    size = (picture.shape[1], picture.shape[2])
    if params.fit == "stretch":
        colours, weight = (_stretched(part, height, width) for part in (colours, weight))
        size = (height, width)
        row, column = 0, 0
    else:
        row, column = top_left(params.row, params.column, size, (height, width), _MEND)
    stamped = images.clone()
    place = (slice(None), slice(None), slice(row, row + size[0]), slice(column, column + size[1]))
    stamped[place] = to_uint8(torch.lerp(images[place].float(), colours, weight.expand_as(colours)))
    return stamped


def _stretched(part: torch.Tensor, height: int, width: int) -> torch.Tensor:
    from torch.nn import functional

    sized: torch.Tensor = functional.interpolate(
        part[None], (height, width), mode="bilinear", antialias=True
    )[0]
    return sized
