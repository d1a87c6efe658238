"""The same code on a CUDA device; skipped where there is none."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from asd.models import resnet18
from asd.params import AugmentParams
from asd.rng import torch_generator
from asd.semisup import SemiBatch, StepRandomness, mixmatch
from asd.training.images import ImageStore, measure_normalisation
from asd.training.scoring import score

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def images_and_labels(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8), rng.integers(0, 10, count)


def test_scores_on_the_device_are_those_of_the_cpu_within_tolerance() -> None:
    images, labels = images_and_labels(256)
    losses = {}
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        network = resnet18.build(resnet18.Params(), 3, 10, torch_generator(0, "weights"))
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        store = ImageStore(images, measure_normalisation(images), AugmentParams(), device)
        generator = torch_generator(0, "views")
        with torch.backends.cudnn.flags(allow_tf32=False):
            losses[name] = score(
                network, store, labels, batch=64, autocast=contextlib.nullcontext, view_generator=generator
            ).losses
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_mixmatch_step_of_paper_size_runs_and_lowers_its_loss(precision: torch.dtype) -> None:
    device = torch.device("cuda")
    images, labels = images_and_labels(64)
    store = ImageStore(images, measure_normalisation(images), AugmentParams(), device)
    network = resnet18.build(resnet18.Params(), 3, 10, torch_generator(0, "weights"))
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.002, fused=True)
    view = store.plain(np.arange(64))
    batch = SemiBatch(view, torch.from_numpy(labels).to(device), (view, view), 10, 0.1)
    losses = []
    for step in range(30):
        randomness = StepRandomness(
            np.random.default_rng(step),
            torch.Generator().manual_seed(step),
            lambda: torch.autocast("cuda", precision, enabled=precision is not torch.float32),
        )
        loss = mixmatch.loss(network, batch, mixmatch.Params(), randomness)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
