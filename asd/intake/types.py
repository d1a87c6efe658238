"""What the gate says of every file of a drop: let in, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Accepted:
    """A picture that passed.

    Attributes:
        path: its name in the drop, as sent (text from a stranger).
        label: class name, after the drop's label file.
        png: re-encoded copy, upright RGB or grey, without metadata, at the size as sent.
        width, height: pixels of that copy.
        file_sha256: hash (hex) of the bytes as sent.
        content_sha256: `asd.types.content_sha256` of the copy as RGB (3, H, W).
        trained_sha256: the same at the form that training sees (image_size, channels, fit).
        perceptual_hash: 64 bits; near-duplicates differ in few.
        flags: what a person should know, such as `near-duplicate`, `label-flip`, `animated`.
        flagged_with: what the flag points to (drop and path), or empty.
    """

    path: str
    label: str
    png: bytes
    width: int
    height: int
    file_sha256: str
    content_sha256: str
    trained_sha256: str
    perceptual_hash: int
    flags: tuple[str, ...] = ()
    flagged_with: str = ""


@dataclass(frozen=True)
class Refused:
    """A file that did not pass.

    Attributes:
        path: its name in the drop, as sent, shortened where it is very long.
        reason: a code of `asd.intake.reasons`.
        message: why, in words.
        label: the label as given, or None where it is not known.
        file_sha256: hash (hex) of the bytes as sent; None where they could not be read.
        size: bytes as sent, as far as they were read.
        data: those bytes, for the quarantine; None where they were not kept (too many, not a file).
    """

    path: str
    reason: str
    message: str
    label: str | None = None
    file_sha256: str | None = None
    size: int = 0
    data: bytes | None = None


Judged = Accepted | Refused
PerceptualHashes = NDArray[np.uint64]
