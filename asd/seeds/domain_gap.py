"""How far seeds of another data set are from the training set, as the transferred model sees both. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd.types import Labels

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Looked:
    """What a model makes of samples.

    Attributes:
        features: (M, D).
        predicted: classes, (M,).
        labels: as given, (M,).
    """

    features: Floats
    predicted: Labels
    labels: Labels


def domain_gap(
    seeds: Looked, train: Looked, class_names: tuple[str, ...], handful: NDArray[np.int64]
) -> dict[str, Any]:
    """Facts for `domain_gap.json`, class by class and in all. No truth is read.

    Args:
        seeds: pictures of the other data set.
        train: the training samples; their labels may be wrong.
        handful: rows of `train` whose labels somebody vouches for; may be empty.

    Returns:
        `agreement` is the share of training samples of a label (as given) that the model calls so,
        `accuracy` the same of the vouched ones, null without any; `feature_distance` the cosine
        distance, 0 to 2, between the means of the seeds and of the training samples of the class,
        and `nearest` the class whose training samples lie nearest to these seeds.
    """
    count = len(class_names)
    centre = train.features.mean(0)
    seed_means = _unit_means(seeds, count, centre)
    train_means = _unit_means(train, count, centre)
    distances = 1 - seed_means @ train_means.T
    classes = {}
    for label, name in enumerate(class_names):
        of_class = train.labels == label
        vouched = handful[train.labels[handful] == label]
        classes[name] = {
            "seeds": int((seeds.labels == label).sum()),
            "agreement": _share(train.predicted[of_class] == label),
            "accuracy": _share(train.predicted[vouched] == label),
            "vouched": len(vouched),
            "feature_distance": round(float(distances[label, label]), 6),
            "nearest": class_names[int(distances[label].argmin())],
        }
    return {
        "chance": round(1 / count, 6),
        "agreement": _share(train.predicted == train.labels),
        "accuracy": _share(train.predicted[handful] == train.labels[handful]),
        "classes": classes,
    }


def below_chance(gap: dict[str, Any]) -> list[str]:
    """A warning for each class that the model finds less often than a guess would."""
    warnings = []
    for name, facts in gap["classes"].items():
        word, share = (
            ("accuracy", facts["accuracy"])
            if facts["accuracy"] is not None
            else ("agreement", facts["agreement"])
        )
        if share is not None and share < gap["chance"]:
            nearest = facts["nearest"]
            where = f" (their features lie nearest to {nearest})" if nearest != name else ""
            warnings.append(
                f"{name}: {word} {share:.0%} is below chance ({gap['chance']:.0%}); its seeds do not fit "
                f"the data{where}"
            )
    return warnings


def _unit_means(looked: Looked, count: int, centre: Floats) -> Floats:
    """Direction of each class's mean from `centre`, (K, D)."""
    means = np.stack(
        [
            looked.features[looked.labels == label].mean(0) - centre
            if (looked.labels == label).any()
            else np.zeros_like(centre)
            for label in range(count)
        ]
    )
    length = np.linalg.norm(means, axis=1, keepdims=True)
    unit: Floats = (means / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def _share(hits: NDArray[np.bool_]) -> float | None:
    return round(float(hits.mean()), 6) if len(hits) else None
