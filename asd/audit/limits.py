"""What a page says beside every verdict: what it is not, and what was measured to get past the defense."""

from __future__ import annotations

from dataclasses import dataclass

NO_PROOF = "A verdict is evidence, not proof."


@dataclass(frozen=True)
class NotStopped:
    """An attack that was run here and got past the defense.

    Attributes:
        attack: what was planted.
        where: data and settings.
        found: what came of it, in figures.
        measured: day (ISO) and machine.
    """

    attack: str
    where: str
    found: str
    measured: str


NOT_STOPPED = (
    NotStopped(
        attack="a salient patch of a fifth of the side, 5% of the data",
        where="10,000 CIFAR-10 (JPEG) images, small network, recipe of `asd init --data`, no mirroring",
        found=(
            "all 500 stamped pictures ended in the clean pool, attack success 100%; "
            "the audit called them clean and estimated 0.5% poison (0 to 1.5)"
        ),
        measured="2026-11-22, 2 CPU cores",
    ),
)
"""One run each; what else gets past is not known. docs/results.md has the figures."""
