"""Second opinions on small data whose answer is known."""

import numpy as np
import pytest

from asd.audit import features
from asd.audit.opinions import (
    activation_clustering,
    label_quality,
    neighbour_disagreement,
    spectral_signature,
)


def two_groups(large=30, small=10):
    """One class: a large group around (0, 0), a small one around (10, 0)."""
    generator = np.random.default_rng(0)
    points = generator.normal(0, 0.1, (large + small, 3)).astype(np.float32)
    points[large:, 0] += 10
    return points, np.zeros(large + small, dtype=np.int64)


def test_the_spectral_signature_is_the_squared_projection_over_its_mean():
    # Along the first axis: -1, -1, 0, ..., 0, 2 around a mean of 0; the second axis is constant.
    points = np.zeros((12, 2), dtype=np.float32)
    points[:3, 0] = [-1, -1, 2]
    found = spectral_signature(points, np.zeros(12, dtype=np.int64))
    assert found == pytest.approx([2.0, 2.0, 8.0, *[0.0] * 9])  # mean of the squares: 6 / 12


def test_the_smaller_group_of_a_class_is_suspicious_in_both_opinions_on_activations():
    points, labels = two_groups()
    for scores in (spectral_signature(points, labels), activation_clustering(points, labels, 0)):
        assert scores[30:].min() > scores[:30].max()
    assert activation_clustering(points, labels, 0)[30:].min() > 0.9


def test_classes_are_looked_at_one_by_one_and_small_ones_not_at_all():
    points, labels = two_groups()
    more = np.concatenate([points, np.full((9, 3), 50.0, dtype=np.float32)])
    both = np.concatenate([labels, np.ones(9, dtype=np.int64)])
    for opinion in (spectral_signature, lambda f, y: activation_clustering(f, y, 0)):
        found = opinion(more, both)
        assert np.isnan(found[40:]).all()
        assert found[:40] == pytest.approx(opinion(points, labels), rel=1e-4, abs=1e-5)


def test_equal_features_are_not_suspicious():
    points, labels = np.ones((20, 4), dtype=np.float32), np.zeros(20, dtype=np.int64)
    assert spectral_signature(points, labels).tolist() == [0.0] * 20
    assert activation_clustering(points, labels, 0).tolist() == [0.0] * 20


def test_the_disagreement_is_the_share_of_neighbours_with_another_label():
    labels = np.array([0, 0, 1, 1])
    rows = np.array([[1, 2, 3], [0, 2, -1], [-1, -1, -1], [2, 2, 2]])
    found = neighbour_disagreement(rows, labels)
    assert found[[0, 1, 3]] == pytest.approx([2 / 3, 0.5, 0.0])
    assert np.isnan(found[2])


def test_the_label_quality_is_cleanlabs_self_confidence():
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7]], dtype=np.float32)
    assert label_quality(probabilities, np.array([0, 0])) == pytest.approx([0.9, 0.3])


def test_neighbours_by_features_are_those_of_a_plain_search():
    points = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    distance = 1 - unit.astype(np.float64) @ unit.T
    np.fill_diagonal(distance, np.inf)
    found = features.nearest_by_features(points, 0)
    assert found.rows.tolist() == np.argsort(distance, axis=1)[:, : features.NEIGHBOURS].tolist()
    assert found.distances == pytest.approx(np.sort(distance, axis=1)[:, : features.NEIGHBOURS], abs=1e-5)


def test_a_sample_is_not_its_own_neighbour_but_its_double_is():
    points = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    found = features.nearest_by_features(points, 0)
    assert found.rows[:, 0].tolist()[:2] == [1, 0]
    assert found.rows.shape == (3, 2)


def test_only_a_random_part_is_searched_when_there_are_very_many(monkeypatch):
    monkeypatch.setattr(features, "MOST_REFERENCES", 15)
    points = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    first, again = (features.nearest_by_features(points, 0).rows for _ in range(2))
    assert (first == again).all()
    assert len(np.unique(first)) <= 15


def test_the_nearest_picture_is_of_the_clean_pool_and_its_distance_is_in_pixel_values():
    images = np.zeros((4, 3, 32, 32), dtype=np.uint8)
    for row, value in enumerate((10, 12, 40, 11)):
        images[row] = value
    found = features.nearest_in_pool(images, np.array([True, False, True, True]), 0)
    assert found.rows[:, 0].tolist()[0] == 3
    assert found.rows[:, 0].tolist()[2] == 3
    assert found.distances[[0, 2, 3], 0] == pytest.approx([1, 29, 1], abs=0.01)


def test_with_an_empty_pool_nothing_is_near():
    found = features.nearest_in_pool(np.zeros((2, 1, 8, 8), dtype=np.uint8), np.zeros(2, dtype=bool), 0)
    assert found.rows.tolist() == [[-1], [-1]]
