"""MixMatch's parts, each against its definition."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from asd.semisup import SemiBatch, StepRandomness, mixmatch
from asd.semisup._mixing import interleave, mix_up


def randomness(seed: int = 0) -> StepRandomness:
    return StepRandomness(
        np.random.default_rng(seed), torch.Generator().manual_seed(seed), contextlib.nullcontext
    )


@pytest.mark.parametrize(
    ("epoch", "ramp", "expected"), [(0, 120, 0.0), (60, 120, 7.5), (90, 120, 11.25), (60, 100, 9.0)]
)
def test_lambda_u_ramps_over_the_whole_run(epoch: int, ramp: int, expected: float) -> None:
    assert mixmatch.unlabelled_weight(15, epoch / ramp) == pytest.approx(expected)


def test_lambda_u_never_exceeds_its_full_value() -> None:
    assert mixmatch.unlabelled_weight(15, 1.5) == 15


def test_interleave_twice_is_the_identity() -> None:
    chunks = list(torch.arange(3 * 64 * 2).reshape(3, 64, 2))
    twice = interleave(interleave(chunks))
    for before, after in zip(chunks, twice, strict=True):
        assert torch.equal(before, after)


def test_interleave_swaps_groups_of_21_21_22() -> None:
    first, second, third = (torch.full((64,), i) for i in range(3))
    mixed = interleave([first, second, third])
    assert mixed[0].tolist() == [0] * 21 + [1] * 21 + [2] * 22
    assert mixed[1].tolist() == [1] * 21 + [0] * 21 + [1] * 22
    assert mixed[2].tolist() == [2] * 42 + [0] * 22


def test_mix_up_is_the_convex_combination_with_the_permuted_rows() -> None:
    inputs, targets = torch.tensor([[0.0], [10.0]]), torch.eye(2)
    mixed, mixed_targets = mix_up(inputs, targets, 0.75, torch.tensor([1, 0]))
    assert mixed.tolist() == [[2.5], [7.5]]
    assert mixed_targets.tolist() == [[0.75, 0.25], [0.25, 0.75]]


class Fixed(nn.Module):
    """Gives the input's first K values as logits."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :3]


def test_guess_is_the_mean_prediction_sharpened_by_squaring() -> None:
    views = tuple(
        torch.log(torch.tensor([p])).reshape(1, 3, 1, 1) for p in ([0.6, 0.3, 0.1], [0.2, 0.5, 0.3])
    )
    guess = mixmatch.guess_labels(Fixed(), views, 0.5, randomness())
    squares = np.array([0.4, 0.4, 0.2]) ** 2
    np.testing.assert_allclose(guess.numpy()[0], squares / squares.sum(), rtol=1e-5)


@pytest.mark.parametrize("interleave", [True, False])
def test_guess_passes_use_batch_statistics_and_the_loss_reaches_every_weight(interleave: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3)).train()
    generator = torch.Generator().manual_seed(1)
    images = [torch.randn(6, 1, 8, 8, generator=generator) for _ in range(3)]
    batch = SemiBatch(images[0], torch.tensor([0, 1, 2, 0, 1, 2]), (images[1], images[2]), 3, 0.5)
    loss = mixmatch.loss(model, batch, mixmatch.Params(interleave=interleave), randomness())
    loss.backward()
    # Two guess passes and three interleaved ones (or a single one) update the running statistics.
    assert int(model[1].num_batches_tracked) == (5 if interleave else 3)
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model[3].parameters())
    assert torch.isfinite(loss)


def test_the_same_generators_give_the_same_loss() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    images = [torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    batch = SemiBatch(images[0], torch.tensor([0, 1, 2, 0]), (images[1], images[2]), 3, 1.0)
    losses = {mixmatch.loss(model, batch, mixmatch.Params(), randomness(7)).item() for _ in range(2)}
    assert len(losses) == 1
