"""UDA: a strong view must be classified like the sharpened guess of a weak one, where that is sure.

Source: Xie et al. 2020, sections 2 and 3; constants of TorchSSL (facts 3.2). ASD's own settings
are not known; as it keeps all others, a step has as many unlabelled images as labelled ones.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from asd.params import Params as BaseParams
from asd.semisup import SemiBatch, StepRandomness, Views
from asd.semisup._consistency import confident_consistency, one_pass
from asd.training.strong import StrongParams

_EXPONENT = 5.0
Annealing = Literal["none", "linear", "log", "exp"]


class Params(BaseParams):
    """UDA's constants."""

    temperature: float = Field(0.4, gt=0, description="of the sharpened guess")
    confidence: float = Field(0.8, ge=0, le=1, description="least probability of a guess that is used")
    lambda_u: float = Field(1.0, ge=0, description="weight of the unlabelled loss")
    ratio: int = Field(
        1, ge=1, description="unlabelled images for a labelled one; TorchSSL's is 7, ASD trains 64 + 64"
    )
    annealing: Annealing = Field(
        "none", description="TSA: leave out labelled images that are fitted better than a rising threshold"
    )
    strong: StrongParams = StrongParams()


def views(params: Params) -> Views:
    """One weak and one strong view."""
    return Views(weak=1, strong=1, ratio=params.ratio, augment=params.strong)


def loss(model: nn.Module, batch: SemiBatch, params: Params, randomness: StepRandomness) -> Tensor:
    """Annealed cross-entropy on labels, and consistency of the two views; a scalar."""
    labelled, weak, strong = one_pass(model, batch, randomness)
    targets = functional.softmax(weak / params.temperature, dim=1)
    consistency = confident_consistency(strong, targets, functional.softmax(weak, dim=1), params.confidence)
    threshold = annealing_threshold(params.annealing, batch.progress, batch.class_count)
    return annealed_cross_entropy(labelled, batch.labels, threshold) + params.lambda_u * consistency


def annealing_threshold(schedule: Annealing, progress: float, class_count: int) -> float | None:
    """eta of training-signal annealing, from 1/K to 1 over the run; None without it."""
    if schedule == "none":
        return None
    progress = min(max(progress, 0.0), 1.0)
    share = {
        "linear": progress,
        "log": 1 - math.exp(-_EXPONENT * progress),
        "exp": math.exp(_EXPONENT * (progress - 1)),
    }[schedule]
    return share * (1 - 1 / class_count) + 1 / class_count


def annealed_cross_entropy(logits: Tensor, labels: Tensor, threshold: float | None) -> Tensor:
    """Mean cross-entropy of the images whose label has a probability below `threshold`; 0 if none has."""
    each = functional.cross_entropy(logits, labels, reduction="none")
    if threshold is None:
        return each.mean()
    kept = each.detach() > -math.log(threshold)
    return (each * kept).sum() / kept.sum().clamp(min=1)
