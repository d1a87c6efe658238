"""Any image classifier of timm, by name (extra `timm`). Nothing is downloaded.

timm's published weights come in as any weights do: a safetensors file and its hash, by
`model.weights` and `model.weights_sha256`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from asd.errors import ParamsError, nearest
from asd.params import Params as BaseParams

if TYPE_CHECKING:
    import torch

    from asd.models._blocks import ImageClassifier

_OURS = ("pretrained", "checkpoint", "num_classes", "in_chans", "features_only", "cache_dir", "scriptable")
"""Beginnings of timm options that would download, unpickle, or change what asd sets."""


class Params(BaseParams):
    """Which network; timm's own options where it takes some, such as `img_size` for a ViT."""

    name: str = Field(description="as timm calls it, such as resnet18 or convnext_atto")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of timm's factory")

    @field_validator("name")
    @classmethod
    def _is_a_plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ValueError("a plain name is wanted; weights of a hub come in by model.weights")
        return name

    @field_validator("options")
    @classmethod
    def _are_not_ours(cls, options: dict[str, Any]) -> dict[str, Any]:
        taken = [key for key in options if key.startswith(_OURS)]
        if taken:
            raise ValueError(f"{taken[0]} is not to be set; weights come in by model.weights")
        return options


def build(params: Params, channels: int, class_count: int, generator: torch.Generator) -> ImageClassifier:
    """A fresh network, with timm's own initialisation.

    Raises:
        ParamsError: timm is not installed, knows no such network, or refuses the options.
    """
    import torch

    from asd.models._blocks import initialise_head
    from asd.models._timm_network import TimmNetwork

    timm = _timm()
    if not timm.is_model(params.name):
        raise ParamsError(
            f"model.name: timm has no {params.name!r}{nearest(params.name, timm.list_models())}"
        )
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):  # timm draws from the global generator; put it back after
        torch.manual_seed(seed)
        try:
            body = timm.create_model(
                params.name, pretrained=False, in_chans=channels, num_classes=0, **params.options
            )
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise ParamsError(f"model.options: timm cannot make {params.name}: {error}") from error
        network = TimmNetwork(body, class_count)
    initialise_head(network.head, generator)
    return network


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ParamsError("model timm needs the package timm: pip install timm") from error
    return timm
