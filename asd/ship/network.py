"""The network as it is shipped: uint8 pixels in, probabilities and classes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asd.errors import DataError
from asd.params import check
from asd.registry import Registry
from asd.training.images import Normalisation


class ShippedNetwork(nn.Module):
    """Normalisation, network and softmax as one graph, in float32."""

    def __init__(self, classifier: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.classifier = classifier
        self._normalisation = Normalisation(tuple(mean), tuple(std))

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 -> probabilities float32 (B, K) and labels int64 (B,)."""
        logits = self.classifier(self._normalisation.apply(images_BCHW))
        return logits.softmax(dim=1), logits.argmax(dim=1)


def rebuild(
    facts: Mapping[str, Any], weights: Mapping[str, Tensor], where: Path, plugins: Path | None = None
) -> ShippedNetwork:
    """The network that `facts` describes, with its weights, for prediction.

    Args:
        facts: plugin, params, channels, class_count, mean, std.
        where: the file that the weights come from, for messages.
        plugins: a workspace's own plug-ins, where the network may be one of them.

    Raises:
        ParamsError: no such plug-in, or params that it does not take.
        DataError: the weights are those of another network.
    """
    module = Registry("models", plugins).get(facts["plugin"])
    params = check(module.Params, facts["params"], f"{where}: params")
    generator = torch.Generator().manual_seed(0)  # the weights are replaced at once
    classifier: nn.Module = module.build(params, facts["channels"], facts["class_count"], generator)
    try:
        classifier.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise DataError(f"{where} holds another network: {str(error).splitlines()[0]}") from error
    network = ShippedNetwork(classifier, facts["mean"], facts["std"])
    network.requires_grad_(False)
    return network.eval()
