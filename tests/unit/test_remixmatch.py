"""ReMixMatch's parts by hand, and a step against a slow plain version."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asd.errors import ParamsError
from asd.models import small_resnet
from asd.semisup import SemiBatch, StepRandomness, remixmatch, views_of
from asd.semisup.remixmatch import Beside, Params


def randomness(seed: int = 0) -> StepRandomness:
    return StepRandomness(
        np.random.default_rng(seed), torch.Generator().manual_seed(seed), contextlib.nullcontext
    )


def beside(params: Params | None = None, features: int = 8, classes: int = 3) -> Beside:
    return remixmatch.auxiliary(params or Params(), features, classes, torch.Generator().manual_seed(1))


def test_the_first_guesses_are_left_as_they_are() -> None:
    guesses = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    assert torch.allclose(beside().align(guesses), guesses, atol=1e-6)


def test_alignment_by_hand() -> None:
    """After two batches over two places p(model) is their mean, and a guess is divided by it."""
    counted = beside(Params(average_over=2))
    counted.align(torch.tensor([[0.8, 0.1, 0.1]]))
    counted.align(torch.tensor([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3]]))
    aligned = counted.align(torch.tensor([[0.5, 0.25, 0.25]]))
    raw = np.array([0.5 / 0.6, 0.25 / 0.2, 0.25 / 0.2])  # times the prior 1/3, which cancels
    np.testing.assert_allclose(aligned[0].numpy(), raw / raw.sum(), rtol=1e-4)


def test_the_oldest_batch_is_forgotten() -> None:
    counted = beside(Params(average_over=2))
    for first in (0.9, 0.5, 0.3):
        counted.align(torch.tensor([[first, 1 - first, 0.0]]))
    assert counted.recent.mean(0).tolist() == pytest.approx([0.4, 0.6, 0.0], abs=1e-6)


def test_a_prior_takes_the_place_of_equal_shares() -> None:
    aligned = beside(Params(prior=(0.5, 0.25, 0.25))).align(torch.full((1, 3), 1 / 3))
    assert aligned[0].tolist() == pytest.approx([0.5, 0.25, 0.25], abs=1e-4)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.0), (1 / 120, 1 / 16), (8 / 120, 0.5), (0.5, 1.0), (1.0, 1.0)]
)
def test_the_ramp_takes_sixteen_of_a_hundred_and_twenty_epochs(progress: float, expected: float) -> None:
    assert remixmatch.ramped(Params().ramp, progress) == pytest.approx(expected)


def test_no_ramp_is_full_weight_at_once() -> None:
    assert remixmatch.ramped(0.0, 0.0) == 1.0


def test_each_image_is_turned_by_its_quarters() -> None:
    images = torch.arange(40 * 4.0).reshape(40, 1, 2, 2)
    turned, turns = remixmatch.rotated(images, torch.Generator().manual_seed(0))
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for image, found, quarters in zip(images, turned, turns.tolist(), strict=True):
        assert np.array_equal(found[0].numpy(), np.rot90(image[0].numpy(), quarters))


def test_pictures_that_are_not_square_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"wants square ones, got 4x6; set engine_params\.w_rot: 0"):
        remixmatch.rotated(torch.zeros(1, 1, 4, 6), torch.Generator())


@pytest.mark.parametrize("prior", [(0.5, 0.6), (1.5, -0.5)])
def test_a_prior_that_is_no_distribution_is_refused(prior: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="prior must be shares that sum to 1"):
        Params(prior=prior)


def test_a_prior_of_other_classes_is_refused() -> None:
    with pytest.raises(ParamsError, match="prior has 2 shares, the data have 3 classes"):
        beside(Params(prior=(0.5, 0.5)))


def network() -> Any:
    params = small_resnet.Params(widths=(4, 8), strides=(1, 2))
    return small_resnet.build(params, 1, 3, torch.Generator().manual_seed(2)).train()


def batch(strong_views: int, side: int = 8) -> SemiBatch:
    generator = torch.Generator().manual_seed(3)
    images = [torch.randn(6, 1, side, side, generator=generator) for _ in range(2 + strong_views)]
    return SemiBatch(images[0], torch.tensor([0, 1, 2] * 2), (images[1],), 3, 1.0, tuple(images[2:]))


def soft_error(logits: torch.Tensor, targets: torch.Tensor) -> float:
    return float(
        np.mean([-(t * torch.log_softmax(z, 0)).sum().item() for z, t in zip(logits, targets, strict=True)])
    )


@pytest.mark.parametrize("strong_views", [1, 3])
def test_a_step_equals_the_slow_version(strong_views: int) -> None:
    """Without batch norm in the way: a linear network, every part written out."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh())

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = body, nn.Linear(8, 3)

        def features(self, images: torch.Tensor) -> torch.Tensor:
            return self.body(images)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.features(images))

    model, params = Plain(), Params(anchored=strong_views, w_match=1.5, w_kl=0.7, w_rot=0.3, temperature=0.5)
    given, side = batch(strong_views, 4), beside(params)
    found = remixmatch.loss(model, given, params, randomness(9), side).item()

    rng, generator = np.random.default_rng(9), torch.Generator().manual_seed(9)
    with torch.no_grad():
        guess = torch.softmax(model(given.unlabelled[0]), 1) ** 2
        guess /= guess.sum(1, keepdim=True)
        rows = torch.cat([given.labelled, *given.strong, given.unlabelled[0]])
        targets = torch.cat([torch.eye(3)[given.labels], *[guess] * (strong_views + 1)])
        weight = rng.beta(0.75, 0.75)
        weight = max(weight, 1 - weight)
        order = torch.randperm(len(rows), generator=generator)
        mixed = weight * rows + (1 - weight) * rows[order]
        mixed_targets = weight * targets + (1 - weight) * targets[order]
        logits = model(mixed)
        turns = torch.randint(0, 4, (6,), generator=generator)
        turned = torch.stack(
            [torch.rot90(x, int(k), (1, 2)) for x, k in zip(given.strong[0], turns, strict=True)]
        )
        rotation = side.rotation(model.features(turned))
        wanted = (
            soft_error(logits[:6], mixed_targets[:6])
            + 1.5 * soft_error(logits[6:], mixed_targets[6:])
            + 0.7 * soft_error(model(given.strong[0]), guess)
            + 0.3 * soft_error(rotation, torch.eye(4)[turns])
        )
    assert found == pytest.approx(wanted, rel=1e-4)


def test_only_the_first_mixed_pass_moves_the_running_statistics() -> None:
    model = network()
    remixmatch.loss(model, batch(2), Params(), randomness(), beside())
    assert int(model.stem[1].num_batches_tracked) == 1
    assert all(m.track_running_stats for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_without_rotation_there_is_no_head_and_any_shape_will_do() -> None:
    params = Params(w_rot=0)
    side = beside(params)
    assert list(side.parameters()) == []
    wide = batch(2)
    wide = SemiBatch(
        wide.labelled[..., :4], wide.labels, (wide.unlabelled[0][..., :4],), 3, 1.0,
        tuple(view[..., :4] for view in wide.strong),
    )  # fmt: skip
    assert torch.isfinite(remixmatch.loss(network(), wide, params, randomness(), side))


def test_what_it_counts_is_in_its_state() -> None:
    side = beside()
    remixmatch.loss(network(), batch(2), Params(), randomness(), side)
    state = side.state_dict()
    assert set(state) == {"prior", "recent", "batches", "rotation.weight", "rotation.bias"}
    assert int(state["batches"]) == 1
    assert state["recent"].shape == (128, 3)
    assert not torch.allclose(state["recent"][0], state["recent"][1])


def test_it_asks_for_as_many_strong_views_as_params_say() -> None:
    views = views_of(remixmatch, Params(anchored=8))
    assert (views.weak, views.strong, views.images) == (1, 8, 10)
