"""A network of timm in the clothes of ours: features and head apart, layers named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from asd.models._blocks import ImageClassifier


class TimmNetwork(ImageClassifier):
    """A timm network without its classifier, and a linear head of ours.

    A layer is a child of timm's network that has weights; what a container in the plural
    (`blocks`, `stages`, `features`) holds is a layer each. A normalisation belongs to the layer
    before it. Free parameters, such as a class token, belong to none.
    """

    def __init__(self, body: nn.Module, class_count: int) -> None:
        super().__init__()
        self.body = body
        self.feature_size = int(body.head_hidden_size)  # type: ignore[arg-type]
        self.head = nn.Linear(self.feature_size, class_count)
        self._groups: dict[str, list[str]] = {}
        for name in _children(body):
            if self._groups and _is_normalisation(body.get_submodule(name)):
                self._groups[next(reversed(self._groups))].append(f"body.{name}")
            else:
                self._groups[f"body.{name}"] = [f"body.{name}"]
        self._groups["head"] = ["head"]
        self.layer_names = tuple(self._groups)

    def features(self, images_BCHW: Tensor) -> Tensor:
        features: Tensor = self.body(images_BCHW)
        return features

    def last_layers(self, count: int) -> tuple[str, ...]:
        """The last `count` layers, each with the normalisations that belong to it."""
        return tuple(name for layer in super().last_layers(count) for name in self._groups[layer])

    def own_names(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights under timm's names become weights under ours; ours stay as they are."""
        if any(name.startswith("body.") for name in tensors):
            return dict(tensors)
        config = getattr(self.body, "pretrained_cfg", None) or {}
        head = str(config.get("classifier") or "fc")
        return {
            f"head{name.removeprefix(head)}" if name.startswith(f"{head}.") else f"body.{name}": value
            for name, value in tensors.items()
        }


def _children(body: nn.Module) -> Iterator[str]:
    for name, child in body.named_children():
        if not _has_weights(child):
            continue
        if name.endswith("s") and isinstance(child, (nn.Sequential, nn.ModuleList)):
            yield from (f"{name}.{inner}" for inner, part in child.named_children() if _has_weights(part))
        else:
            yield name


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _is_normalisation(module: nn.Module) -> bool:
    """Whether every weight in it is one of a normalisation."""
    owners = [m for m in module.modules() if next(m.parameters(recurse=False), None) is not None]
    return all("norm" in type(owner).__name__.lower() for owner in owners)
