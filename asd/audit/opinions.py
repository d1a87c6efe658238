"""Second opinions: other people's ways to find poison or wrong labels, beside ASD's own. Pure.

They see the final model's features and probabilities and the labels as given, never the truth.
Each is a column of its own; none has a part in verdict or suspicion. Shapes: N samples in view
order, D features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from asd.types import Labels

Floats = NDArray[np.float32]

CLUSTER_DIMENSIONS = 10
"""Features are reduced to so many before they are clustered, as Chen et al. 2018 do."""

FEWEST_OF_CLASS = 10
"""A smaller class has nan in the two opinions that look at classes one by one."""

_SILHOUETTE_SAMPLES = 2000


@dataclass(frozen=True)
class Opinions:
    """One float32 a sample, shape (N,) each; nan where an opinion says nothing.

    Attributes:
        spectral_signature: squared projection on the first singular vector of the class's centred
            features, as a multiple of the class's mean; high is suspicious. Tran et al. 2018.
        activation_clustering: 0 to 1, high is suspicious: nearness to the smaller of two clusters
            of the class times how well apart they are. Chen et al. 2018.
        neighbour_disagreement: share of the nearest samples with another label, 0 to 1.
        cleanlab_label_quality: cleanlab's self-confidence, 0 to 1; **low** is suspicious.
    """

    spectral_signature: Floats
    activation_clustering: Floats
    neighbour_disagreement: Floats
    cleanlab_label_quality: Floats

    def suspicious_when_high(self) -> dict[str, Floats]:
        """Each opinion by name, turned so that high is suspicious."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return found | {"cleanlab_label_quality": -self.cleanlab_label_quality}


OPINIONS = tuple(field.name for field in fields(Opinions))


def all_opinions(
    features: Floats, probabilities: Floats, neighbour_rows: NDArray[np.int64], labels: Labels, seed: int
) -> Opinions:
    """Ask all four; the same input and seed give the same answer."""
    return Opinions(
        spectral_signature(features, labels),
        activation_clustering(features, labels, seed),
        neighbour_disagreement(neighbour_rows, labels),
        label_quality(probabilities, labels),
    )


def spectral_signature(features: Floats, labels: Labels) -> Floats:
    """Outlier score of the spectral signature, shape (N,)."""
    found = np.full(len(labels), np.nan, dtype=np.float32)
    for rows in _classes(labels):
        centred = features[rows] - features[rows].mean(0)
        _, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
        score = (centred @ vectors[:, -1]) ** 2
        mean = score.mean()
        found[rows] = score / mean if mean > 0 else 0.0
    return found


def activation_clustering(features: Floats, labels: Labels, seed: int) -> Floats:
    """Nearness to the smaller cluster times the silhouette of the two, shape (N,)."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import silhouette_score

    found = np.full(len(labels), np.nan, dtype=np.float32)
    for rows in _classes(labels):
        own = features[rows]
        if np.ptp(own, axis=0).max() == 0:
            found[rows] = 0.0
            continue
        size = min(CLUSTER_DIMENSIONS, own.shape[1], len(rows) - 1)
        reduced = PCA(size, svd_solver="full").fit_transform(own)
        clusters = KMeans(2, n_init=4, random_state=seed % 2**32).fit(reduced)
        smaller = int(np.bincount(clusters.labels_, minlength=2).argmin())
        apart = silhouette_score(
            reduced,
            clusters.labels_,
            sample_size=min(_SILHOUETTE_SAMPLES, len(rows)),
            random_state=seed % 2**32,
        )
        distance = clusters.transform(reduced)
        near = distance[:, 1 - smaller] / np.maximum(distance.sum(1), np.finfo(np.float32).tiny)
        found[rows] = near * max(0.0, float(apart))
    return found


def neighbour_disagreement(rows: NDArray[np.int64], labels: Labels) -> Floats:
    """Share of the neighbours with another label, shape (N,); rows are (N, k), -1 where there is none."""
    there = rows >= 0
    other = there & (labels[rows] != labels[:, None])
    count = there.sum(1)
    return np.where(count > 0, other.sum(1) / np.maximum(count, 1), np.nan).astype(np.float32)


def label_quality(probabilities: Floats, labels: Labels) -> Floats:
    """cleanlab's label quality by self-confidence, shape (N,)."""
    from cleanlab.rank import get_label_quality_scores

    scores = get_label_quality_scores(labels, probabilities, method="self_confidence")
    return np.asarray(scores, dtype=np.float32)


def _classes(labels: Labels) -> list[NDArray[np.int64]]:
    """Rows of each class that is large enough."""
    found = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [rows for rows in found if len(rows) >= FEWEST_OF_CLASS]
