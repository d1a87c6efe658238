"""A tiny training set: 60 grey 8x8 images of three classes, told apart by which third is bright."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.models import small_resnet
from asd.params import AugmentParams, TrainingParams, Variant
from asd.progress import Reporter
from asd.training.context import StageContext
from asd.types import DataView, SampleIndex

COUNT, CLASSES = 60, 3


def tiny_images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(COUNT) % CLASSES
    images = rng.integers(0, 80, (COUNT, 1, 8, 8)).astype(np.uint8)
    for i, label in enumerate(labels):
        images[i, 0, :, 3 * label : 3 * label + 2] += 150
    return images, labels.astype(np.int64)


@pytest.fixture
def tiny() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels."""
    return tiny_images()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASD_THREADS", "1")
    monkeypatch.setenv("ASD_DEVICE", "cpu")
    torch.set_num_threads(1)


@pytest.fixture
def make_context() -> Callable[..., StageContext]:
    def make(
        stage: int = 1, fingerprint: str = "f", numeric: dict[str, object] | None = None
    ) -> StageContext:
        images, labels = tiny_images()
        keys = tuple(f"train_{i:06d}" for i in range(COUNT))
        view = DataView(SampleIndex(keys, labels, keys, keys), images, ("a", "b", "c"), trusted=True)
        seeds = np.zeros(COUNT, dtype=np.bool_)
        seeds[:6] = True
        params = small_resnet.Params(widths=(4, 8), strides=(1, 2))
        return StageContext(
            view=view,
            seeds=seeds,
            probe=images[:10],
            model=Variant("small_resnet", "small_resnet", small_resnet, params),
            training=TrainingParams(augment=AugmentParams(pad=1, flip=False), scoring_batch=32),
            random_seed=5,
            stage=stage,
            fingerprint=fingerprint,
            reporter=Reporter("stage", "tiny", stream=io.StringIO()),
            numeric=numeric,
        )

    return make


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"
