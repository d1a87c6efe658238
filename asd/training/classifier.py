"""A trained network that takes uint8 images and gives classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asd import store
from asd.models._blocks import ImageClassifier
from asd.params import AugmentParams, check
from asd.registry import Registry
from asd.training import device as numeric
from asd.training.images import ImageStore, Normalisation
from asd.training.scoring import predict
from asd.training.state import model_facts, model_file
from asd.types import Images


@dataclass(frozen=True)
class Classifier:
    """A network in evaluation mode with its normalisation and class names."""

    network: ImageClassifier
    normalisation: Normalisation
    class_names: tuple[str, ...]
    mode: numeric.NumericMode

    def predict(self, images: Images, batch: int = 512) -> NDArray[np.int64]:
        """Class of each uint8 image, shape (N, C, H, W) -> (N,)."""
        images_store = ImageStore(images, self.normalisation, AugmentParams(), torch.device(self.mode.device))
        return predict(self.network, images_store, batch=batch, autocast=lambda: numeric.autocast(self.mode))


def load_classifier(place: Path, plugins: Path | None = None) -> Classifier:
    """Rebuild a network; device and threads as the environment says.

    Args:
        place: the folder of a stage, or a model file.
        plugins: the workspace's own plug-ins, where the network may be one of them.

    Raises:
        DataError: a file is missing or is not one of ours.
    """
    file = model_file(place)
    facts = model_facts(place)
    module = Registry("models", plugins).get(facts["plugin"])
    params = check(module.Params, facts["params"], f"{file}: params")
    generator = torch.Generator().manual_seed(0)
    network = module.build(params, facts["image_shape"][0], len(facts["class_names"]), generator)
    network.load_state_dict(store.read_tensors(file))
    mode = numeric.choose(facts["precision"], deterministic=False)
    device = numeric.apply(mode)
    network = network.to(device, memory_format=torch.channels_last).eval()
    normalisation = Normalisation(tuple(facts["mean"]), tuple(facts["std"]))
    return Classifier(network, normalisation, tuple(facts["class_names"]), mode)
