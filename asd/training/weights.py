"""A network that starts from the user's own weights: safetensors alone, checked by hash."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asd.errors import DataError, ParamsError
from asd.models._blocks import ImageClassifier
from asd.params import Workspace

_CURE = 'the section "Pickled weights" of docs/extend.md has the command that makes a safetensors file of it'
_PICKLED_NAMES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")
_PICKLED_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_HEAD = ("head.weight", "head.bias")


@dataclass(frozen=True)
class StartingWeights:
    """The file that `model.weights` names, and the hash that it must have (None: not said)."""

    path: Path
    sha256: str | None


def configured_weights(workspace: Workspace) -> StartingWeights | None:
    """What `model.weights` names; None where networks start as built."""
    model = workspace.params.model
    if model.weights is None:
        return None
    # An absolute path stands for itself.
    return StartingWeights(workspace.layout.root / Path(model.weights).expanduser(), model.weights_sha256)


def start_from(
    network: ImageClassifier, weights: StartingWeights, class_names: Sequence[str]
) -> dict[str, Any]:
    """Fill `network` from the file; gives what is to be recorded of it.

    The head stays as built ("replaced") where the file has none for these classes: another
    number, or other names where the file is a model of asd.

    Raises:
        ParamsError: no hash is given.
        DataError: no such file, a pickled one, another hash, or weights of another network.
    """
    data = _read_checked(weights)
    tensors = network.own_names(_tensors(data, weights.path))
    wanted = network.state_dict()
    known = _class_names(data)
    keeps_head = known is None or known == list(class_names)
    keeps_head = keeps_head and all(_fits(tensors, name, wanted[name]) for name in _HEAD)
    body = {name: value for name, value in tensors.items() if not name.startswith("head.")}
    _check(body, wanted, weights.path)
    if keeps_head:
        body |= {name: tensors[name] for name in _HEAD}
    network.load_state_dict(body, strict=False)
    return {"sha256": weights.sha256, "head": "kept" if keeps_head else "replaced"}


def _read_checked(weights: StartingWeights) -> bytes:
    """The bytes of the file: read once, so that what is checked is what is used."""
    path = weights.path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"model.weights: cannot read {path}: {error.strerror}") from error
    if path.suffix.lower() in _PICKLED_NAMES or _looks_pickled(data):
        raise DataError(f"{path.name} is a pickled file, and opening one runs whatever it says; {_CURE}")
    found = hashlib.sha256(data).hexdigest()
    if weights.sha256 is None:
        raise ParamsError(f"model.weights needs its hash; set model.weights_sha256: {found}")
    if found != weights.sha256:
        raise DataError(
            f"{path} is not the file of model.weights_sha256: wanted {weights.sha256}, got {found}; "
            "put the right file there, or set the new hash (everything trains again)"
        )
    return data


def _looks_pickled(data: bytes) -> bool:
    """By its first bytes; those of safetensors are a length, then a brace, and may look alike."""
    return data.startswith(_PICKLED_STARTS) and data[8:9] != b"{"


def _tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path} is not a valid safetensors file: {error}") from error
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise DataError(f"{path}: {name} holds values that are not finite")
    return tensors


def _class_names(data: bytes) -> list[str] | None:
    """Class names in a model of asd; None for any other file. The file is a valid one by now."""
    (length,) = struct.unpack("<Q", data[:8])
    note = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("asd")
    try:
        names = json.loads(note)["class_names"]
    except (TypeError, ValueError, KeyError):
        return None
    return [str(name) for name in names]


def _fits(tensors: Mapping[str, Tensor], name: str, wanted: Tensor) -> bool:
    return name in tensors and tensors[name].shape == wanted.shape


def _check(body: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    needed = [n for n in wanted if n not in _HEAD and not n.endswith("num_batches_tracked")]
    missing = [name for name in needed if name not in body]
    foreign = [name for name in body if name not in wanted]
    if missing or foreign:
        what = f"it has no {missing[0]}" if missing else f"it has {foreign[0]}, which ours has not"
        raise DataError(
            f"{path} holds another network: {what} ({len(missing)} missing, {len(foreign)} foreign)"
        )
    for name, value in wanted.items():
        if name in body and body[name].shape != value.shape:
            raise DataError(
                f"{path} holds another network: {name} is {tuple(body[name].shape)}, "
                f"wanted {tuple(value.shape)}"
            )
