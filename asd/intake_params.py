"""The section `intake` of `params.yaml`: what the gate for data drops lets in.

No stage reads it: a drop is judged once, when it arrives.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IntakeParams(BaseModel):
    """Caps and limits of the gate."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    most_refused: float = Field(
        0.1, ge=0, le=1, description="share of refused files above which a drop waits as held"
    )
    most_files: int = Field(2_000_000, ge=1, description="files or rows of one drop")
    most_bytes: int = Field(64 * 2**30, ge=1, description="bytes of one drop, also unpacked")
    most_file_bytes: int = Field(32 * 2**20, ge=1, description="bytes of one picture as sent")
    most_pixels: int = Field(16_000_000, ge=1, description="pixels of one picture, by its header")
    most_seconds: float = Field(10.0, gt=0, description="CPU seconds to decode one picture")
    most_quarantine_bytes: int = Field(2**30, ge=0, description="bytes of refused files kept a drop")
    near_duplicate_bits: int = Field(
        3, ge=0, le=3, description="perceptual hashes so many bits apart are flagged"
    )
