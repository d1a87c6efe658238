"""The losses against closed forms and slow plain versions."""

from __future__ import annotations

import math

import pytest
import torch

from asd.training.losses import (
    mean_squared_probability_error,
    soft_cross_entropy,
    symmetric_cross_entropy,
)


@pytest.mark.parametrize(("classes", "expected"), [(10, 8.519565), (30, 9.243449), (43, 9.372266)])
def test_sce_of_all_zero_logits_has_its_closed_form(classes: int, expected: float) -> None:
    loss = symmetric_cross_entropy(torch.zeros(1, classes), torch.tensor([3]))
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_sce_of_a_perfect_answer_is_the_floor_of_its_reverse_term() -> None:
    logits = torch.full((1, 10), -1000.0)
    logits[0, 4] = 1000.0
    assert symmetric_cross_entropy(logits, torch.tensor([4])).item() == pytest.approx(8.289e-6, rel=1e-3)


def test_sce_equals_a_slow_plain_version() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 5, generator=generator) * 3
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(z) for z in row)
        p = [math.exp(z) / total for z in row]
        reverse = -sum(
            min(max(p[k], 1e-7), 1) * math.log(min(max(float(k == label), 1e-4), 1)) for k in range(5)
        )
        expected.append(0.1 * -math.log(p[label]) + reverse)
    torch.testing.assert_close(symmetric_cross_entropy(logits, labels), torch.tensor(expected))


def test_soft_cross_entropy_of_one_hot_targets_is_cross_entropy() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    targets = torch.eye(3)[[0, 1]]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1]))
    torch.testing.assert_close(soft_cross_entropy(logits, targets), expected)


def test_consistency_loss_divides_by_the_number_of_classes() -> None:
    # Softmax of zeros is (1/2, 1/2); against (1, 0) both entries are off by a half.
    loss = mean_squared_probability_error(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(0.25)
