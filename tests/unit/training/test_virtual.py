"""The virtual model: what training it may and may not change (facts 11.7)."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from asd.models import small_resnet
from asd.models._blocks import ImageClassifier
from asd.params import AugmentParams
from asd.training.images import ImageStore, measure_normalisation
from asd.training.meta_params import MetaParams
from asd.training.virtual import VirtualRun, snapshot_steps, virtual_snapshots

SetUp = tuple[ImageClassifier, ImageStore, np.ndarray]


@pytest.fixture
def set_up(tiny: tuple[np.ndarray, np.ndarray]) -> SetUp:
    images, labels = tiny
    store = ImageStore(images, measure_normalisation(images), AugmentParams(pad=1), torch.device("cpu"))
    params = small_resnet.Params(widths=(4, 8), strides=(1, 2))
    return small_resnet.build(params, 1, 3, torch.Generator()), store, labels


def train(network: ImageClassifier, store: ImageStore, labels: np.ndarray, **meta: object) -> ImageClassifier:
    """The virtual model at the end of its training."""
    params = MetaParams(batch=16, **meta)  # type: ignore[arg-type]
    run = VirtualRun(1, 0, 0)
    (virtual,) = virtual_snapshots(network, store, labels, params, run, contextlib.nullcontext)
    return virtual


def test_only_the_last_layers_change_and_all_batch_statistics_move(set_up: SetUp) -> None:
    network, store, labels = set_up
    virtual = train(network, store, labels, layers=2)
    before, after = network.state_dict(), virtual.state_dict()
    trained = network.last_layers(2)
    weights = [name for name, _ in network.named_parameters()]
    assert len(weights) > 8
    for name in weights:
        changed = not torch.equal(before[name], after[name])
        assert changed == name.startswith(trained), name
    means = [name for name in before if name.endswith("running_mean")]
    assert len(means) == 6
    assert all(not torch.equal(before[name], after[name]) for name in means)


def test_the_main_model_is_left_alone(set_up: SetUp) -> None:
    network, store, labels = set_up
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    train(network, store, labels, layers=4)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not network.training
    assert all(p.requires_grad for p in network.parameters())


def test_the_same_run_gives_the_same_virtual_model(set_up: SetUp) -> None:
    network, store, labels = set_up
    first, second = (train(network, store, labels, layers=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_steps_are_one_pass_at_least_min_steps_and_more_at_a_retry() -> None:
    one_pass = MetaParams(batch=128)
    assert VirtualRun(0, 0, 0).steps(one_pass, 50_000) == 391
    longer = MetaParams(batch=128, min_steps=500, retry_steps=2.0, retry_lr=0.5)
    assert VirtualRun(0, 0, 0).steps(longer, 50_000) == 500
    assert VirtualRun(0, 0, 1).steps(longer, 50_000) == 1000
    assert VirtualRun(0, 0, 1).rate(longer) == 0.0075


def test_training_longer_fits_the_labels_better(set_up: SetUp) -> None:
    network, store, labels = set_up
    targets = torch.from_numpy(labels)

    def loss_after(steps: int) -> float:
        virtual = train(network, store, labels, layers=4, min_steps=steps).eval()
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(virtual(store.plain(np.arange(60))), targets).item()

    assert loss_after(80) < 0.5 * loss_after(1)


def test_snapshots_are_the_last_states_so_many_steps_apart() -> None:
    assert snapshot_steps(MetaParams(), 391) == [391]
    assert snapshot_steps(MetaParams(snapshots=3, snapshot_every=200), 2500) == [2100, 2300, 2500]
    assert snapshot_steps(MetaParams(snapshots=3, snapshot_every=200), 400) == [200, 400]


def test_scoring_a_snapshot_changes_nothing_of_what_follows(set_up: SetUp) -> None:
    network, store, labels = set_up
    params = MetaParams(batch=16, layers=3, min_steps=7, snapshots=3, snapshot_every=2)
    states = []
    for virtual in virtual_snapshots(
        network, store, labels, params, VirtualRun(1, 0, 0), contextlib.nullcontext
    ):
        assert virtual.training
        states.append({name: value.clone() for name, value in virtual.state_dict().items()})
        virtual.eval()
    assert len(states) == 3
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])
    unbroken = train(network, store, labels, layers=3, min_steps=7).state_dict()
    assert all(torch.equal(states[-1][name], unbroken[name]) for name in unbroken)
