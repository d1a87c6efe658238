"""Rows of pictures in a preview of an attack: clean, changed, and the difference where both are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asd.picture_change import Difference, Strength
from asd.types import Images


@dataclass(frozen=True)
class Part:
    """Pictures of one split before and after; the first ones of those that were measured.

    Attributes:
        split: `train` (what is planted) or `test` (what triggers).
        changed: uint8, shape (n, C, H, W).
        before, after: class names, n each.
        clean: as `changed`; None where nobody knows them (an imported set), and so are the next two.
        apart: the difference of the two rows.
        strength: over all that were measured.
    """

    split: str
    changed: Images
    before: tuple[str, ...]
    after: tuple[str, ...]
    clean: Images | None = None
    apart: Difference | None = None
    strength: Strength | None = None

    def line(self) -> str:
        """PSNR, SSIM and over how many pictures; and how far the difference is magnified."""
        found = self.strength
        if found is None or self.apart is None:
            return f"{len(self.changed)} pictures of {self.split} as they came; what they were is not known"
        ssim = "-" if found.ssim is None else f"{found.ssim:.4f}"
        return f"PSNR {found.psnr:.1f} dB, SSIM {ssim}, means over {found.pictures} pictures of {self.split}"

    def as_json(self) -> dict[str, Any]:
        """The facts without the pictures."""
        found, apart = self.strength, self.apart
        return {
            "split": self.split,
            "psnr": None if found is None else found.psnr,
            "ssim": None if found is None else found.ssim,
            "pictures": None if found is None else found.pictures,
            "magnified": None if apart is None else apart.factor,
            "largest_difference": None if apart is None else apart.largest,
            "before": list(self.before),
            "after": list(self.after),
        }
