"""What a trained model makes of samples: features and class probabilities.

Shapes: N samples, D features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from asd.training import device as numeric
from asd.training.classifier import Classifier
from asd.types import Images

_BATCH = 512

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ModelView:
    """The final model's view of N samples.

    Attributes:
        features: before the head, float32 (N, D).
        probabilities: softmax of the logits, float32 (N, K).
    """

    features: Floats
    probabilities: Floats


@torch.no_grad()
def look(classifier: Classifier, images: Images) -> ModelView:
    """Features and probabilities of all images as they are, in parts."""
    network, device = classifier.network, torch.device(classifier.mode.device)
    features, probabilities = [], []
    for start in range(0, len(images), _BATCH):
        part = torch.from_numpy(np.array(images[start : start + _BATCH])).to(device)
        with numeric.autocast(classifier.mode):
            found = network.features(classifier.normalisation.apply(part)).float()
        logits = network.head(found)
        features.append(found.cpu().numpy())
        probabilities.append(torch.softmax(logits, 1).cpu().numpy())
    return ModelView(np.concatenate(features), np.concatenate(probabilities))
