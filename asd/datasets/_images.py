"""Params of the data sets whose pictures come from anybody."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from asd.datasets._base import DatasetParams
from asd.datasets._decode import decode_picture
from asd.types import Images


class PictureParams(DatasetParams):
    """Params of the data sets whose pictures come from anybody."""

    image_size: int | None = Field(None, ge=1, le=1024, description="side in pixels; null: all are alike")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: RGB")
    fit: Literal["stretch", "crop"] = Field(
        "stretch", description="to a square: stretch keeps every part, crop keeps the middle and the aspect"
    )
    trusted: bool = Field(False, description="whether somebody vouches for the labels as published")
    held_out: float | None = Field(
        None, gt=0, lt=1, description="share of the training images taken as test split, by content"
    )

    unreadable: Literal["stop", "leave_out"] = Field(
        "stop", description="leave_out: a picture that cannot be read is left out and noted in left_out.json"
    )
    class_names: tuple[str, ...] | None = Field(
        None, min_length=1, description="name of label 0, 1, ...; null: as found"
    )

    def decode(self, data: bytes, where: str) -> Images:
        """Decode a picture as these params say; see `decode_picture`."""
        return decode_picture(data, where, image_size=self.image_size, channels=self.channels, fit=self.fit)
