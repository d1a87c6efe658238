"""The two loss-guided splits (paper section 4.1). Pure: arrays in, membership out.

Shapes: N samples in manifest order, labels as given. Lower loss is more trusted. On equal
losses the earlier sample wins, so that a rerun picks the same ones.
"""

from __future__ import annotations

import numpy as np

from asd.types import Labels, Losses, Mask, PoolMembership


def split_class_aware(losses: Losses, labels: Labels, seeds: Mask, *, per_class: int) -> PoolMembership:
    """Keep the seeds and add the `per_class` lowest-loss samples of every class.

    Args:
        losses: symmetric cross-entropy, shape (N,).
        labels: as given, poisoned ones included, shape (N,).
        seeds: trusted samples, shape (N,); kept, and not counted in `per_class`.
        per_class: how many to add to each class; a smaller class adds all it has.

    Raises:
        ValueError: lengths differ, a loss is not finite, or `per_class` is negative.

    Source: section 4.1 (stage 1).
    """
    _check(losses, labels, seeds)
    if per_class < 0:
        raise ValueError(f"per_class must be 0 or more, got {per_class}")
    added = _lowest_per_class(losses, labels, ~seeds, per_class)
    return PoolMembership(seeds | added, "class-aware", _cut(losses, added))


def split_class_agnostic(
    losses: Losses,
    labels: Labels,
    *,
    fraction: float,
    class_floor: int = 0,
    forced: Mask | None = None,
    rule: str = "class-agnostic",
) -> PoolMembership:
    """Keep the floor(fraction * N) samples with the lowest loss, whatever their class.

    Args:
        losses: shape (N,); the meta-split passes minus the loss reduction.
        labels: as given, shape (N,); read only for the floor.
        fraction: alpha (or gamma), in (0, 1).
        class_floor: this many lowest-loss samples of every class get in first (0 in the paper);
            the rest of the room is filled class-agnostically.
        forced: samples that get in before all others (the seeds, where a union is asked for).

    Raises:
        ValueError: lengths differ, a loss is not finite, or the floors need more room than there is.

    Source: section 4.1 (stage 2); floor() as in the public code (Q20). The class floor is ours.
    """
    forced = np.zeros(len(losses), dtype=np.bool_) if forced is None else forced
    _check(losses, labels, forced)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be in (0, 1), got {fraction}")
    room = int(len(losses) * fraction)
    in_clean = forced | _lowest_per_class(losses, labels, ~forced, class_floor)
    if in_clean.sum() > room:
        raise ValueError(
            f"class_floor {class_floor} (with forced samples) needs {int(in_clean.sum())} places, "
            f"but {fraction} of {len(losses)} samples are {room}"
        )
    left = room - int(in_clean.sum())
    candidates = np.flatnonzero(~in_clean)
    in_clean[candidates[np.argsort(losses[candidates], kind="stable")[:left]]] = True
    return PoolMembership(in_clean, rule, _cut(losses, in_clean & ~forced))


def _lowest_per_class(losses: Losses, labels: Labels, eligible: Mask, count: int) -> Mask:
    chosen = np.zeros(len(losses), dtype=np.bool_)
    for label in np.unique(labels) if count else ():
        candidates = np.flatnonzero((labels == label) & eligible)
        chosen[candidates[np.argsort(losses[candidates], kind="stable")[:count]]] = True
    return chosen


def _cut(losses: Losses, chosen: Mask) -> float:
    return float(losses[chosen].max()) if chosen.any() else float("nan")


def _check(losses: Losses, labels: Labels, mask: Mask) -> None:
    if not len(losses) == len(labels) == len(mask):
        raise ValueError(
            f"lengths differ: {len(losses)} losses, {len(labels)} labels, {len(mask)} in the mask"
        )
    if not np.isfinite(losses).all():
        first = int(np.flatnonzero(~np.isfinite(losses))[0])
        raise ValueError(f"the loss of sample {first} is {losses[first]}; all must be finite")
