"""Every network keeps the contract of asd/models; the cases come from the folder."""

import copy
import importlib.util

import pytest
import torch
from torch.nn import functional

from asd import store
from asd.registry import Registry

REGISTRY = Registry("models")
NEEDED = {"timm": {"name": "resnet18"}}
"""Params without a default."""
EXTRAS = {"timm": "timm"}
"""Networks that need a package of an extra."""


@pytest.fixture(params=REGISTRY.names())
def model(request):
    extra = EXTRAS.get(request.param)
    if extra and importlib.util.find_spec(extra) is None:
        pytest.skip(f"{extra} is not installed: pip install 'asd[{extra}]'")
    return REGISTRY.get(request.param), NEEDED.get(request.param, {})


def build(model, channels=3, class_count=7, seed=0):
    module, params = model
    generator = torch.Generator().manual_seed(seed)
    return module.build(module.Params(**params), channels, class_count, generator)


def images(channels=3, count=2):
    return torch.rand(count, channels, 32, 32, generator=torch.Generator().manual_seed(1))


def test_unknown_params_are_errors(model):
    module, params = model
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        module.Params(**params, widht=3)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_grey_and_colour_give_one_logit_a_class(model, channels):
    network = build(model, channels).eval()
    logits = network(images(channels))
    assert (logits.shape, logits.dtype) == ((2, 7), torch.float32)
    assert network.features(images(channels)).shape == (2, network.feature_size)
    assert network.head.in_features == network.feature_size


def test_the_generator_alone_decides_the_weights(model):
    first, second, other = (build(model, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert any(not torch.equal(first[n], other[n]) for n in first if not n.startswith("head."))


def test_layers_are_named_from_input_to_output_and_the_head_is_last(model):
    network = build(model)
    assert network.layer_names[-1] == "head"
    assert len(set(network.layer_names)) == len(network.layer_names) >= 4
    for name in network.layer_names:
        assert list(network.get_submodule(name).parameters())


def test_the_last_three_layers_are_a_part_and_own_their_weights_alone(model):
    network = build(model)
    parts = [list(network.get_submodule(name).parameters()) for name in network.last_layers(3)]
    chosen = [id(p) for part in parts for p in part]
    assert len(set(chosen)) == len(chosen) < len(list(network.parameters()))
    assert set(network.layer_names[-3:]) <= set(network.last_layers(3))


def test_all_layers_together_hold_every_normalisation(model):
    network = build(model)
    everything = network.last_layers(len(network.layer_names))
    held = {id(p) for name in everything for p in network.get_submodule(name).parameters()}
    assert held == {id(p) for p in network.parameters()}


def test_training_moves_every_weight_and_the_statistics(model):
    network = build(model).train()
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(2):  # a residual branch that starts at zero moves in the second step only
        functional.cross_entropy(network(images(count=4)), torch.arange(4)).backward()
        optimizer.step()
        optimizer.zero_grad()
    still = [name for name, value in network.state_dict().items() if torch.equal(value, before[name])]
    assert still == []


def test_the_last_layers_can_be_trained_alone(model):
    network = copy.deepcopy(build(model)).train()
    network.requires_grad_(False)
    trained = [p for name in network.last_layers(3) for p in network.get_submodule(name).parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    functional.cross_entropy(network(images()), torch.tensor([0, 1])).backward()
    assert all(p.grad is not None for p in trained)


def test_weights_survive_a_safetensors_file(model, tmp_path):
    network = build(model).eval()
    store.write_tensors(tmp_path / "model.safetensors", network.state_dict(), {})
    other = build(model, seed=9).eval()
    other.load_state_dict(store.read_tensors(tmp_path / "model.safetensors"))
    assert torch.equal(network(images()), other(images()))
