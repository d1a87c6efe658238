"""UDA and FixMatch against slow plain versions and values by hand."""

from __future__ import annotations

import contextlib
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asd.params import check
from asd.semisup import SemiBatch, StepRandomness, fixmatch, uda, views_of

RANDOMNESS = StepRandomness(np.random.default_rng(0), torch.Generator(), contextlib.nullcontext)


class Given(nn.Module):
    """Gives the pixels of an image as logits; counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return images.flatten(1)


def batch_of(labelled: Any, weak: Any, strong: Any, labels: list[int], progress: float = 0.5) -> SemiBatch:
    tensors = [torch.as_tensor(np.asarray(x, np.float32))[:, None, None] for x in (labelled, weak, strong)]
    for tensor in tensors:
        tensor.requires_grad_(True)
    classes = tensors[0].shape[-1]
    return SemiBatch(tensors[0], torch.tensor(labels), (tensors[1],), classes, progress, (tensors[2],))


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def slow_loss(
    batch: SemiBatch, confidence: float, weight: float, temperature: float, hard: bool, threshold: float
) -> float:
    """Image by image, in numpy."""
    labelled, weak, strong = (
        x.detach().numpy().astype(np.float64).reshape(len(x), -1)
        for x in (batch.labelled, batch.unlabelled[0], batch.strong[0])
    )
    kept = []
    for logits, label in zip(labelled, batch.labels.tolist(), strict=True):
        probability = softmax(logits)[label]
        if probability < threshold:
            kept.append(-math.log(probability))
    consistency = 0.0
    for weak_logits, strong_logits in zip(weak, strong, strict=True):
        sure = softmax(weak_logits)
        if sure.max() >= confidence:
            target = np.eye(len(sure))[sure.argmax()] if hard else softmax(weak_logits / temperature)
            consistency += -(target * np.log(softmax(strong_logits))).sum()
    return sum(kept) / max(len(kept), 1) + weight * consistency / len(weak)


@pytest.fixture
def batch() -> SemiBatch:
    rng = np.random.default_rng(4)
    return batch_of(*(3 * rng.normal(size=(n, 5)) for n in (6, 12, 12)), [0, 1, 2, 3, 4, 0])


@pytest.mark.parametrize(
    ("given", "temperature", "threshold"),
    [
        ({}, 0.4, 2.0),
        ({"temperature": 1.0, "confidence": 0.6, "lambda_u": 3.0, "ratio": 2}, 1.0, 2.0),
        ({"annealing": "linear"}, 0.4, 0.6),
        ({"annealing": "exp"}, 0.4, math.exp(-2.5) * 0.8 + 0.2),
    ],
)
def test_uda_equals_the_slow_version(
    batch: SemiBatch, given: dict[str, Any], temperature: float, threshold: float
) -> None:
    params = uda.Params(**given)
    found = uda.loss(Given(), batch, params, RANDOMNESS)
    wanted = slow_loss(batch, params.confidence, params.lambda_u, temperature, False, threshold)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("given", [{}, {"confidence": 0.5, "lambda_u": 2.0}])
def test_fixmatch_equals_the_slow_version(batch: SemiBatch, given: dict[str, Any]) -> None:
    params = fixmatch.Params(**given)
    found = fixmatch.loss(Given(), batch, params, RANDOMNESS)
    wanted = slow_loss(batch, params.confidence, params.lambda_u, 1.0, True, 2.0)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("engine", [uda, fixmatch])
@pytest.mark.parametrize(("probability", "counts"), [(0.81, True), (0.79, False)])
def test_only_sure_guesses_count(engine: ModuleType, probability: float, counts: bool) -> None:
    """Two classes; the strong view finds both equally likely, so what counts adds log 2."""
    weak = np.log([[probability, 1 - probability]])
    batch = batch_of([[0, 0]], weak, [[0, 0]], [0])
    found = engine.loss(Given(), batch, engine.Params(confidence=0.8), RANDOMNESS).item()
    assert found == pytest.approx(math.log(2) * (2 if counts else 1), rel=1e-5)


@pytest.mark.parametrize("engine", [uda, fixmatch])
def test_one_pass_and_no_gradient_through_the_weak_view(engine: ModuleType) -> None:
    batch = batch_of([[2.0, 0]], [[9.0, 0]], [[0.5, 0]], [0])
    model = Given()
    engine.loss(model, batch, engine.Params(), RANDOMNESS).backward()
    assert model.passes == 1
    assert batch.strong[0].grad is not None
    assert batch.strong[0].grad.abs().sum() > 0
    assert not batch.unlabelled[0].grad.any()


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("linear", 0.0, 0.1),
        ("linear", 0.5, 0.55),
        ("linear", 1.0, 1.0),
        ("log", 0.5, (1 - math.exp(-2.5)) * 0.9 + 0.1),
        ("exp", 0.0, math.exp(-5) * 0.9 + 0.1),
        ("exp", 1.0, 1.0),
        ("log", 7.0, (1 - math.exp(-5)) * 0.9 + 0.1),
    ],
)
def test_the_threshold_of_signal_annealing(schedule: Any, progress: float, expected: float) -> None:
    assert uda.annealing_threshold(schedule, progress, 10) == pytest.approx(expected)
    assert uda.annealing_threshold("none", progress, 10) is None


def test_annealing_drops_what_is_fitted_well_and_survives_dropping_all() -> None:
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.4, 0.6]]))
    labels = torch.tensor([0, 0])
    found = [uda.annealed_cross_entropy(logits, labels, t).item() for t in (0.5, 0.95, 0.2)]
    assert found == pytest.approx([-math.log(0.4), -(math.log(0.9) + math.log(0.4)) / 2, 0.0], rel=1e-5)


@pytest.mark.parametrize("engine", [uda, fixmatch])
def test_it_asks_for_a_weak_and_a_strong_view(engine: ModuleType) -> None:
    views = views_of(engine, engine.Params(ratio=7, strong={"operations": 2}))
    assert (views.weak, views.strong, views.ratio, views.images) == (1, 1, 7, 15)
    assert views.augment.operations == 2


@pytest.mark.parametrize(
    ("engine", "given", "words"),
    [
        (uda, {"confidence": 1.5}, "common.engine_params.confidence"),
        (uda, {"annealing": "cosine"}, "common.engine_params.annealing"),
        (fixmatch, {"ratio": 0}, "common.engine_params.ratio"),
        (fixmatch, {"strong": {"cutout": 2}}, "common.engine_params.strong.cutout"),
    ],
)
def test_params_out_of_range_are_named(engine: ModuleType, given: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words):
        check(engine.Params, given, "common.engine_params")
