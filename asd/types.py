"""The nouns that steps and plug-ins exchange. Arrays are numpy; nothing here needs torch.

Shapes: N samples in manifest order, K classes, C H W channels, height, width.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Losses = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        key: stable and unique in its data set; letters, digits, `_` and `-`, no dots.
        image: uint8, shape (C, H, W), C is 1 or 3.
        label: index of the class as given (perhaps by a stranger), 0 to K-1.
        source: where it came from, such as `train.parquet#17` or `cats/0042.jpg`.
    """

    key: str
    image: Images
    label: int
    source: str

    @property
    def content_sha256(self) -> str:
        """Hash of shape and pixels; the same for every encoding of the same picture."""
        return content_sha256(self.image)


def content_sha256(image: Images) -> str:
    """SHA-256 (hex) of a picture's shape and pixels, shape (C, H, W)."""
    digest = hashlib.sha256("x".join(str(n) for n in image.shape).encode() + b":")
    for plane in image:  # one at a time: the whole would be copied where it lies in another order
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class LeftOut:
    """A picture that could not be read and is therefore no sample.

    Attributes:
        key: the key that it would have had.
        source: where it came from.
        reason: why it could not be read, in words.
    """

    key: str
    source: str
    reason: str


@dataclass(frozen=True)
class Excluded:
    """A picture that a person confirmed as poisoned and that is therefore no sample.

    Attributes:
        key: the key that it would have had.
        source: where it came from.
        class_name: its class as given.
        content_sha256: hash (hex) of the picture.
    """

    key: str
    source: str
    class_name: str
    content_sha256: str


@dataclass(frozen=True)
class SampleIndex:
    """What is known of N samples besides their pixels, in manifest order.

    Attributes:
        keys: N unique keys.
        labels: labels as given, shape (N,).
        content: N content hashes (hex).
        sources: N sources.
    """

    keys: tuple[str, ...]
    labels: Labels
    content: tuple[str, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def fingerprint(self) -> str:
        """SHA-256 (hex) over keys, labels and content in order: equal for equal data, however stored."""
        digest = hashlib.sha256()
        for key, label, content in zip(self.keys, self.labels.tolist(), self.content, strict=True):
            digest.update(f"{key}\x1f{label}\x1f{content}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class DataView:
    """A whole data split as one thing, whatever layers it is stored in.

    Attributes:
        index: keys, labels, content hashes and sources of the N samples.
        images: uint8, shape (N, C, H, W); a read-only memory map.
        class_names: K names; label i is class_names[i].
        trusted: whether somebody vouches for the labels as published.
    """

    index: SampleIndex
    images: Images
    class_names: tuple[str, ...]
    trusted: bool

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> Labels:
        """Labels as given, shape (N,)."""
        return self.index.labels

    @property
    def class_count(self) -> int:
        """K."""
        return len(self.class_names)


@dataclass(frozen=True)
class PoolMembership:
    """Which samples are in the clean pool for one epoch.

    Attributes:
        in_clean: shape (N,); True: label used, False: label not used.
        rule: `class-aware`, `class-agnostic`, `meta-split`, `all` or `kept`.
        cut: the highest score that got in (a loss, or minus a loss reduction); nan if none.
    """

    in_clean: Mask
    rule: str
    cut: float = float("nan")
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of samples in the clean pool."""
        return int(self.in_clean.sum())
