"""A poisoned set made elsewhere: nothing is planted, and the truth is what a file says of it.

The pictures and labels are the data set (`parquet`, `imagefolder`, `csv`, `webdataset`).
`prepare.roles` names a file that says of each of its pictures whether it is clean, poisoned or a
decoy, and what its label was; `prepare.triggered` a triggered test set. They are matched with
the data by pixels and label. Without roles nothing is known: no attack success, no purity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from asd import params as base
from asd.attacks import NOT_KNOWN, Artifacts, GivenRoles, GivenTest, Preparation
from asd.attacks._files import checked_place
from asd.attacks._given_files import Columns, Picture, Row, read_rows
from asd.datasets._decode import UnreadableError, decode_picture
from asd.datasets._pictures import to_labels
from asd.errors import DataError, ParamsError, nearest
from asd.types import DataView, Images, Labels, content_sha256

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "prepare", "roles", "triggered"]

ROLES = ("clean", "poisoned", "decoy", "unknown")
_HEX = r"^[0-9a-f]{64}$"
_WORDS = {**{role: role for role in ROLES}, "0": "clean", "1": "poisoned", "cover": "decoy"}
_WORDS |= {"false": "clean", "true": "poisoned"}
_MOST_BYTES = 2 * 2**30  # of triggered pictures, decoded
_REPORT_EVERY = 5000
_NO_CONTENT = np.zeros(32, dtype=np.uint8)


class Prepare(base.Params):
    """The files. Paths are relative to the workspace; each has its hash beside it."""

    roles: str | None = Field(None, description="Parquet, CSV or JSON lines; null: nothing is known")
    roles_sha256: str | None = Field(None, pattern=_HEX)
    triggered: str | None = Field(None, description="the same, or class folders; null: no attack success")
    triggered_sha256: str | None = Field(None, pattern=_HEX)
    columns: Columns = Columns()
    role_values: dict[str, Literal["clean", "poisoned", "decoy", "unknown"]] = Field(
        {}, description="further words for a role, such as {bd: poisoned, cross: decoy}"
    )
    fit: Literal["stretch", "crop"] = Field("stretch", description="as the data set has it")

    @field_validator("role_values", mode="before")
    @classmethod
    def _words_as_text(cls, given: Any) -> Any:
        """YAML reads 0 and true as what they are."""
        return {str(k).lower(): v for k, v in given.items()} if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _triggered_needs_roles(self) -> Prepare:
        if self.triggered is not None and self.roles is None:
            raise ValueError("triggered needs roles: without them nobody knows what is poisoned")
        return self


class Params(base.Params):
    """What the poison step may take for granted."""

    limited: bool = Field(
        False,
        description="`limit` of the data set leaves pictures out: their roles are counted, not refused",
    )
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Read the files: content hashes, labels and roles (R rows), triggered pictures (T, C, H, W)."""
    if params.roles is None:
        preparation.reporter.say("no roles are given: nobody knows what is poisoned")
        return {}
    import torch

    place = checked_place(preparation.files, params.roles, params.roles_sha256, "prepare.roles")
    found = _read_roles(place, train, params, preparation)
    if params.triggered is not None:
        place = checked_place(
            preparation.files, params.triggered, params.triggered_sha256, "prepare.triggered"
        )
        found |= _read_triggered(place, train, params)
    return {name: torch.from_numpy(values) for name, values in found.items()}


def roles(artifacts: Artifacts, params: Params) -> GivenRoles | None:
    """What the file says of the training set."""
    if "content" not in artifacts:
        return None
    return GivenRoles(
        contents=_hex(artifacts["content"]),
        labels=artifacts["label"].numpy(),
        roles=tuple(ROLES[code] for code in artifacts["role"].tolist()),
        labels_before=artifacts["before"].numpy(),
        places=tuple(f"row {row}" for row in artifacts["row"].tolist()),
        unreadable=tuple(f"row {row}" for row in artifacts["unreadable"].tolist()),
    )


def triggered(artifacts: Artifacts, params: Params) -> GivenTest | None:
    """The triggered test set."""
    if "triggered" not in artifacts:
        return None
    none = _NO_CONTENT.tobytes().hex()
    return GivenTest(
        images=artifacts["triggered"].numpy(),
        wanted=artifacts["triggered_label"].numpy(),
        labels_before=artifacts["triggered_before"].numpy(),
        clean=tuple("" if content == none else content for content in _hex(artifacts["triggered_clean"])),
    )


def _hex(rows: torch.Tensor) -> tuple[str, ...]:
    return tuple(row.tobytes().hex() for row in rows.numpy())


def _read_roles(
    place: Path, train: DataView, params: Prepare, preparation: Preparation
) -> dict[str, Images | Labels]:
    contents: list[Images] = []
    found: dict[str, list[int]] = {name: [] for name in ("label", "before", "role", "row", "unreadable")}
    read, shape = _labels_of(train), train.images.shape[1:]
    for done, row in enumerate(read_rows(place, params.columns, with_roles=True), 1):
        if done % _REPORT_EVERY == 0:
            preparation.reporter.progress(done, max(done, len(train)), "roles")
        values = (read(row.label, row.where), read(row.before, row.where), _role(row, params))
        content = _content(row.picture, row.where, shape, params.fit)
        if content is None:
            found["unreadable"].append(row.number)
            continue
        contents.append(content)
        for name, value in zip(("label", "before", "role", "row"), (*values, row.number), strict=True):
            found[name].append(value)
    if not contents:
        raise DataError(f"{place}: no row has a picture that can be read")
    role = np.array(found.pop("role"), dtype=np.uint8)
    whole = {name: np.array(values, dtype=np.int64) for name, values in found.items()}
    return {"content": np.stack(contents), "role": role, **whole}


def _read_triggered(place: Path, train: DataView, params: Prepare) -> dict[str, Images | Labels]:
    shape, read = train.images.shape[1:], _labels_of(train)
    most = _MOST_BYTES // int(np.prod(shape))
    images: list[Images] = []
    clean: list[Images] = []
    wanted, before = [], []
    for row in read_rows(place, params.columns, with_roles=False):
        if len(images) == most:
            raise DataError(f"{place}: more than {most:,} pictures ({_MOST_BYTES // 2**30} GiB); give fewer")
        if not isinstance(row.picture, bytes):
            raise DataError(f"{place}: {row.where} has no picture: {row.picture}")
        images.append(_decode(row.picture, row.where, shape, params.fit))
        twin = _NO_CONTENT if row.clean is None else _content(row.clean, row.where, shape, params.fit)
        if twin is None:
            raise DataError(f"{place}: the clean picture of {row.where} cannot be read")
        clean.append(twin)
        wanted.append(read(row.label, row.where))
        before.append(read(row.before, row.where))
    if not images:
        raise DataError(f"{place} holds no triggered picture")
    return {
        "triggered": np.stack(images),
        "triggered_label": np.array(wanted, dtype=np.int64),
        "triggered_before": np.array(before, dtype=np.int64),
        "triggered_clean": np.stack(clean),
    }


def _labels_of(train: DataView) -> Callable[[int | str | None, str], int]:
    """A function of a label and its place; whole numbers of Parquet are places in the class names."""
    names, known = train.class_names, {}

    def read(label: int | str | None, where: str) -> int:
        if label is None:
            return NOT_KNOWN
        if isinstance(label, str):
            if label not in known:
                known[label] = int(to_labels([(where, label)], names)[0])
            return known[label]
        if not 0 <= label < len(names):
            raise DataError(f"{where} has label {label}, which is none of {len(names)} classes")
        return label

    return read


def _role(row: Row, params: Prepare) -> int:
    words = {**_WORDS, **params.role_values}
    word = (row.role or "").lower()
    if word not in words:
        said = f"role {row.role!r:.40}" if row.role else "no role"
        raise DataError(
            f"{row.where} has {said}{nearest(word, words)} (wanted: {', '.join(words)}; map others in "
            "prepare.role_values)"
        )
    return ROLES.index(words[word])


def _content(picture: Picture, where: str, shape: tuple[int, ...], fit: str) -> Images | None:
    """The 32 bytes of a content hash; None where the picture cannot be read."""
    try:
        content = picture if isinstance(picture, str) else _hash(picture, where, shape, fit)
    except UnreadableError:
        return None
    return np.frombuffer(bytes.fromhex(content), np.uint8).copy()


def _hash(picture: bytes | UnreadableError, where: str, shape: tuple[int, ...], fit: str) -> str:
    if isinstance(picture, UnreadableError):
        raise picture
    return content_sha256(_decode(picture, where, shape, fit))


def _decode(data: bytes, where: str, shape: tuple[int, ...], fit: str) -> Images:
    """The picture as the data set has its own: a square one of another size is scaled as there."""
    channels, height, width = shape
    side = height if height == width else None
    picture = decode_picture(data, where, image_size=side, channels=channels, fit=fit)
    if picture.shape != shape:
        raise ParamsError(
            f"{where} has {picture.shape[1]}x{picture.shape[2]} pixels, the data set {height}x{width}"
        )
    return picture
