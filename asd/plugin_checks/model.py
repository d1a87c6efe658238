"""What every network promises (`asd.models`)."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from asd import store
from asd.plugin_checks import require

if TYPE_CHECKING:
    from asd.models._blocks import ImageClassifier

CLASSES, SIDE = 7, 32


@dataclass(frozen=True)
class Case:
    """One network with its params.

    Attributes:
        plugin: its plug-in's name.
        model: the module.
        given: params as `params.yaml` would have them.
    """

    plugin: str
    model: ModuleType
    given: Mapping[str, Any] = field(default_factory=dict)

    def build(self, channels: int = 3, seed: int = 0) -> ImageClassifier:
        """A network of seven classes."""
        generator = torch.Generator().manual_seed(seed)
        made: ImageClassifier = self.model.build(
            self.model.Params(**self.given), channels, CLASSES, generator
        )
        return made


def _images(channels: int = 3, count: int = 2) -> torch.Tensor:
    return torch.rand(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def refuses_unknown_params(case: Case) -> None:
    """An unknown param is an error."""
    try:
        case.model.Params(**case.given, widht=3)
    except ValueError:
        return
    require(False, "Params took an unknown key; make it a subclass of asd.params.Params")


def gives_one_logit_a_class(case: Case) -> None:
    """Grey and colour pictures give one float32 logit a class; features fit the head."""
    for channels in (1, 3):
        network = case.build(channels).eval()
        logits = network(_images(channels))
        got = f"{logits.dtype} {tuple(logits.shape)} of {channels} channels"
        require((logits.shape, logits.dtype) == ((2, CLASSES), torch.float32), f"logits are {got}")
        features = network.features(_images(channels)).shape
        require(features == (2, network.feature_size), f"features are {tuple(features)}")
        require(
            network.head.in_features == network.feature_size, "the head does not take feature_size inputs"
        )


def takes_all_weights_from_the_generator(case: Case) -> None:
    """The generator alone decides the weights."""
    first, second, other = (case.build(seed=seed).state_dict() for seed in (1, 1, 2))
    require(all(torch.equal(first[name], second[name]) for name in first), "one seed gave two networks")
    moved = [name for name in first if not torch.equal(first[name], other[name])]
    require("head.weight" in moved, "another seed gave the same head")
    require(any(not name.startswith("head.") for name in moved), "another seed gave the same body")


def names_its_layers(case: Case) -> None:
    """Layers are named once each from input to output, at least four, the head last."""
    network = case.build()
    names = network.layer_names
    require(names[-1] == "head", f"the last of layer_names is {names[-1]!r}, wanted 'head'")
    require(len(set(names)) == len(names) >= 4, f"layer_names are {names}")
    for name in names:
        require(list(network.get_submodule(name).parameters()), f"layer {name} has no weights")


def keeps_the_last_three_layers_apart(case: Case) -> None:
    """The last three layers are a part of the network and share no weight."""
    network = case.build()
    parts = [list(network.get_submodule(name).parameters()) for name in network.last_layers(3)]
    chosen = [id(weight) for part in parts for weight in part]
    require(len(set(chosen)) == len(chosen), "two layers share a weight")
    require(len(chosen) < len(list(network.parameters())), "the last three layers are the whole network")
    require(set(network.layer_names[-3:]) <= set(network.last_layers(3)), "last_layers(3) lacks a layer")


def names_every_weight(case: Case) -> None:
    """All layers together hold every weight, normalisations too."""
    network = case.build()
    everything = network.last_layers(len(network.layer_names))
    held = {id(w) for name in everything for w in network.get_submodule(name).parameters()}
    left = [name for name, weight in network.named_parameters() if id(weight) not in held]
    require(not left, f"in no layer: {', '.join(left[:5])}")


def trains_every_weight(case: Case) -> None:
    """Training moves every weight and the statistics."""
    network = case.build().train()
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(2):  # a residual branch that starts at zero moves in the second step only
        functional.cross_entropy(network(_images(count=4)), torch.arange(4)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    still = [name for name, value in network.state_dict().items() if torch.equal(value, before[name])]
    require(not still, f"stood still: {', '.join(still[:5])}")


def trains_its_last_layers_alone(case: Case) -> None:
    """The last three layers can be trained alone, as the virtual model does."""
    network = copy.deepcopy(case.build()).train()
    network.requires_grad_(False)
    trained = [w for name in network.last_layers(3) for w in network.get_submodule(name).parameters()]
    for weight in trained:
        weight.requires_grad_(True)
    functional.cross_entropy(network(_images()), torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    require(all(weight.grad is not None for weight in trained), "a weight of the last layers got no gradient")


def survives_a_file(case: Case) -> None:
    """Its weights survive a safetensors file."""
    network = case.build().eval()
    other = case.build(seed=9).eval()
    with tempfile.TemporaryDirectory(prefix="asd-check-") as folder:
        file = Path(folder) / "model.safetensors"
        store.write_tensors(file, network.state_dict(), {})
        other.load_state_dict(store.read_tensors(file))
    require(torch.equal(network(_images()), other(_images())), "the network read back answers otherwise")


CHECKS: tuple[Callable[[Case], None], ...] = (
    refuses_unknown_params,
    gives_one_logit_a_class,
    takes_all_weights_from_the_generator,
    names_its_layers,
    keeps_the_last_three_layers_apart,
    names_every_weight,
    trains_every_weight,
    trains_its_last_layers_alone,
    survives_a_file,
)
