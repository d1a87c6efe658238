"""`model.json`: all that is needed to rebuild a shipped network and to feed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asd import store
from asd.errors import DataError

FORMAT = "asd-model/1"
FACTS_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"
CARD_FILE = "MODEL_CARD.md"
SCRIPT_FILE = "predict.py"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Architecture(_Part):
    """The plug-in that builds the network, and its params."""

    plugin: str
    params: dict[str, Any]


class Resize(_Part):
    """How a picture of another size becomes an input.

    Attributes:
        fit: `stretch` keeps every part, `crop` keeps the middle and the aspect, `center_crop` first
            brings the shorter side to 8/7 of the size.
        filter: Pillow's resampling filter.
    """

    fit: str
    filter: str = "bilinear"


class OnnxFacts(_Part):
    """The ONNX form of the same network; its input is uint8, normalisation is inside."""

    sha256: str
    opset: int


class ModelFacts(_Part):
    """The whole of `model.json`.

    Attributes:
        cell: dataset/attack/defense/trial that the model comes from.
        class_names: K names; label i is class_names[i].
        channels: 1 (grey) or 3 (RGB).
        image_size: (height, width).
        mean: per channel, 0 to 1; an input is (pixel / 255 - mean) / std.
        std: per channel, 0 to 1.
        precision: numbers that a shipped model computes with.
        weights_sha256: of `model.safetensors`, which is the file that stage 3 wrote, byte for byte.
        onnx: None where it was not exported.
        data_revision: SHA-256 (hex) of the training set's manifest.
        code: version of asd and hashes of the code that trained the model.
    """

    format: str = FORMAT
    cell: str
    architecture: Architecture
    class_names: tuple[str, ...] = Field(min_length=1)
    channels: int
    image_size: tuple[int, int]
    resize: Resize
    mean: tuple[float, ...]
    std: tuple[float, ...]
    precision: str = "float32"
    weights_sha256: str
    onnx: OnnxFacts | None = None
    data_revision: str
    code: dict[str, str]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an input."""
        return (self.channels, *self.image_size)


def read_facts(folder: Path) -> ModelFacts:
    """Read and check `folder/model.json`.

    Raises:
        DataError: missing, or not one of ours.
    """
    path = folder / FACTS_FILE
    raw = store.read_json(path)
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: wanted format {FORMAT!r}, got {found!r}")
    try:
        return ModelFacts.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path} is not the description of a model: {where}: {first['msg']}") from error
