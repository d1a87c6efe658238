"""The networks: sizes, layers, reproducible weights."""

from __future__ import annotations

import pytest
import torch

from asd.models import densenet121, resnet18, small_resnet


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_resnet18_has_the_papers_parameter_counts() -> None:
    network = resnet18.build(resnet18.Params(), 3, 10, generator())
    count = {name: sum(p.numel() for p in m.parameters()) for name, m in network.named_children()}
    assert sum(count.values()) == 11_173_962
    assert network.last_layers(3) == ("layer3", "layer4", "head")
    assert sum(count[name] for name in network.last_layers(3)) == 10_498_570


def test_resnet18_features_are_512_wide_at_stride_8() -> None:
    network = resnet18.build(resnet18.Params(), 3, 10, generator()).eval()
    images = torch.zeros(2, 3, 32, 32)
    assert network.features(images).shape == (2, network.feature_size) == (2, 512)
    assert network.layer4(network.layer3(network.layer2(network.layer1(network.stem(images))))).shape[2:] == (
        4,
        4,
    )
    assert network(images).shape == (2, 10)


def test_small_resnet_takes_widths_strides_and_channels_from_params() -> None:
    params = small_resnet.Params(widths=(8, 16), strides=(1, 2), stem_stride=2)
    network = small_resnet.build(params, 1, 5, generator()).eval()
    assert network(torch.zeros(3, 1, 20, 12)).shape == (3, 5)
    assert network.layer_names == ("stem", "layer1", "layer2", "head")
    assert network.feature_size == 16


def test_small_resnet_wants_as_many_strides_as_widths() -> None:
    with pytest.raises(ValueError, match="2 widths but 3 strides"):
        small_resnet.build(small_resnet.Params(widths=(8, 16)), 3, 10, generator())


def test_weights_depend_on_the_generator_alone() -> None:
    first, second, other = (
        small_resnet.build(small_resnet.Params(), 3, 10, generator(seed)).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


def test_asking_for_more_layers_than_there_are_says_which_there_are() -> None:
    network = small_resnet.build(small_resnet.Params(), 3, 10, generator())
    with pytest.raises(ValueError, match=r"layers must be 1 to 5 .*'stem'.*got 6"):
        network.last_layers(6)


def weights_of(network: torch.nn.Module) -> dict[str, int]:
    return {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}


def test_resnet18_in_the_imagenet_form_is_torchvisions() -> None:
    from torchvision.models import resnet18 as published

    network = resnet18.build(resnet18.Params(form="imagenet"), 3, 30, generator()).eval()
    theirs = published(weights=None, num_classes=30).eval()
    network.load_state_dict(network.own_names(theirs.state_dict()))
    images = torch.rand(2, 3, 32, 32, generator=generator(1))
    torch.testing.assert_close(network(images), theirs(images), rtol=1e-4, atol=1e-5)
    assert sum(weights_of(network).values()) == 11_689_512 - 513_000 + 513 * 30
    assert network.last_layers(3) == ("layer3", "layer4", "head")


@pytest.mark.slow
def test_densenet121_is_torchvisions_in_five_layers() -> None:
    from torchvision.models import densenet121 as published

    network = densenet121.build(densenet121.Params(), 3, 30, generator()).eval()
    theirs = published(weights=None, num_classes=30).eval()
    network.load_state_dict(network.own_names(theirs.state_dict()))
    images = torch.rand(2, 3, 64, 64, generator=generator(1))
    torch.testing.assert_close(network(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_densenet121_has_the_papers_layers() -> None:
    network = densenet121.build(densenet121.Params(), 3, 30, generator())
    count = weights_of(network)
    assert network.feature_size == 1024
    assert sum(count.values()) == 7_978_856 - 1_025_000 + 1025 * 30  # as published, with another head
    assert network.last_layers(3) == ("layer3", "layer4", "head")
    names = [
        name for layer in network.last_layers(3) for name, _ in network.get_submodule(layer).named_children()
    ]
    assert len(network.layer3[0]) == 24
    assert len(network.layer4[0]) == 16
    assert names == ["0", "1", "0", "1"]  # each block with its transition or norm; the head is one layer
    assert network.layer4[1].num_features == 1024


def test_the_forms_differ_in_the_stem_alone() -> None:
    for module, size in ((resnet18, 512), (densenet121, 1024)):
        small, large = (
            module.build(module.Params(form=form), 3, 10, generator()).eval()
            for form in ("cifar", "imagenet")
        )
        images = torch.zeros(1, 3, 32, 32)
        assert small.stem(images).shape[2:] == (32, 32)
        assert large.stem(images).shape[2:] == (8, 8)
        assert small.feature_size == large.feature_size == size
        names = [name for name in small.state_dict() if not name.startswith("stem.")]
        assert names == [name for name in large.state_dict() if not name.startswith("stem.")]
