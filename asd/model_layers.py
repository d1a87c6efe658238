"""`asd list models NAME`: the layers of a network, and which of them count as the last three."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.errors import ParamsError

if TYPE_CHECKING:
    from asd.models._blocks import ImageClassifier

CHANNELS, CLASSES = 3, 10
"""Of the network that is built to be looked at."""

PAPER_LAYERS = 3
"""How many of the last layers the virtual model of the paper trains (section 4.2)."""


def layer_facts(name: str, root: Path | None) -> dict[str, Any]:
    """Layers of a network from input to output, built with the workspace's params where it uses it.

    Args:
        name: a plug-in, or `timm/NAME` for a network of timm.
        root: the workspace, if there is one.

    Raises:
        ParamsError: no such network, or it needs params that the workspace does not set.
    """
    import torch

    network = _build(name, root, torch.Generator().manual_seed(0))
    last = network.last_layers(min(PAPER_LAYERS, len(network.layer_names)))
    return {
        "name": name,
        "weights": sum(p.numel() for p in network.parameters()),
        "feature_size": network.feature_size,
        "layers": [
            {"name": layer, "weights": sum(p.numel() for p in network.get_submodule(layer).parameters())}
            for layer in network.layer_names
        ],
        "last_three": list(last),
    }


def _build(name: str, root: Path | None, generator: Any) -> ImageClassifier:
    from asd.layout import Layout
    from asd.params import check, load_workspace
    from asd.registry import Registry

    plugin, _, inner = name.partition("/")
    workspace = load_workspace(root) if root else None
    if inner:
        given: dict[str, Any] = {"name": inner}
    elif workspace and workspace.params.model.use == plugin:
        given = dict(workspace.params.model.__pydantic_extra__ or {})
    else:
        given = {}
    module = Registry("models", Layout(root).plugins if root else None).get(plugin)
    if "name" in module.Params.model_fields and "name" not in given:
        raise ParamsError(f"which network? `asd list models {plugin}/NAME`, such as {plugin}/resnet18")
    network: ImageClassifier = module.build(
        check(module.Params, given, "model"), CHANNELS, CLASSES, generator
    )
    return network


def render(facts: dict[str, Any]) -> str:
    """The facts as text; a star marks the last three layers."""
    width = max(len(layer["name"]) for layer in facts["layers"])
    lines = []
    for layer in facts["layers"]:
        mark = "*" if layer["name"] in facts["last_three"] else " "
        lines.append(f"{mark} {layer['name']:{width}}  {layer['weights']:>12,}")
    head = f"{facts['name']}: {facts['weights']:,} weights for {CHANNELS} channels and {CLASSES} classes"
    tail = f"* last three layers, with their normalisations: {', '.join(facts['last_three'])}"
    return "\n".join([head, *lines, tail])
