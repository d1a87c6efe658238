"""Networks of timm: layers by name, weights by timm's names, what is refused."""

import sys

import pytest
import torch
from pydantic import ValidationError

from asd.errors import ParamsError
from asd.models import timm as plugin

timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")


def build(name, channels=3, **options):
    params = plugin.Params(name=name, options=options)
    return plugin.build(params, channels, 5, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "options", "layers", "with_norms"),
    [
        ("resnet18", {}, ("body.layer3", "body.layer4", "head"), 3),
        ("efficientnet_b0", {}, ("body.blocks.6", "body.conv_head", "head"), 4),
        (
            "vit_tiny_patch16_224",
            {"img_size": 32, "depth": 3},
            ("body.blocks.1", "body.blocks.2", "head"),
            4,
        ),
        ("convnext_atto", {}, ("body.stages.2", "body.stages.3", "head"), 4),
    ],
)
def test_the_last_three_layers_of_a_network_of_timm(name, options, layers, with_norms):
    network = build(name, **options)
    assert network.layer_names[-3:] == layers
    assert len(network.last_layers(3)) == with_norms
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    build("resnet18")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_under_timms_names_are_taken_with_the_classifier_as_head():
    network = build("resnet18")
    theirs = timm.create_model("resnet18", pretrained=False, num_classes=5).state_dict()
    assert set(network.own_names(theirs)) == set(network.state_dict())
    assert torch.equal(network.own_names(theirs)["head.weight"], theirs["fc.weight"])


def test_weights_under_our_names_stay_as_they_are():
    network = build("resnet18")
    assert set(network.own_names(network.state_dict())) == set(network.state_dict())


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(ParamsError, match="did you mean 'resnet18'"):
        build("resnet81")


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/tmp/x", "resnet18.a1_in1k"])
def test_a_name_that_would_load_something_is_refused(name):
    with pytest.raises(ValidationError, match="plain name"):
        plugin.Params(name=name)


@pytest.mark.parametrize(
    "option", ["pretrained", "pretrained_cfg", "checkpoint_path", "num_classes", "in_chans"]
)
def test_an_option_that_asd_sets_or_that_loads_something_is_refused(option):
    with pytest.raises(ValidationError, match="not to be set"):
        plugin.Params(name="resnet18", options={option: 1})


def test_an_option_that_the_network_does_not_take_is_an_error_of_the_params():
    with pytest.raises(ParamsError, match="timm cannot make resnet18"):
        build("resnet18", img_size=32)


def test_without_timm_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ParamsError, match=r"pip install timm"):
        build("resnet18")
