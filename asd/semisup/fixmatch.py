"""FixMatch: a strong view must be classified as a weak one is, where that one is sure.

Source: Sohn et al. 2020, equations 3 and 4, constants of its section 4; the operations of the
strong views and no running average are ours (`common.ema` has one). ASD's paper does not try it.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from asd.params import Params as BaseParams
from asd.semisup import SemiBatch, StepRandomness, Views
from asd.semisup._consistency import confident_consistency, one_pass
from asd.training.strong import StrongParams


class Params(BaseParams):
    """FixMatch's constants."""

    confidence: float = Field(0.95, ge=0, le=1, description="tau: least probability of a guess that is used")
    lambda_u: float = Field(1.0, ge=0, description="weight of the unlabelled loss")
    ratio: int = Field(
        1, ge=1, description="mu: unlabelled images for a labelled one; the paper's is 7, ASD trains 64 + 64"
    )
    strong: StrongParams = StrongParams()


def views(params: Params) -> Views:
    """One weak and one strong view."""
    return Views(weak=1, strong=1, ratio=params.ratio, augment=params.strong)


def loss(model: nn.Module, batch: SemiBatch, params: Params, randomness: StepRandomness) -> Tensor:
    """Cross-entropy on labels, and on the classes that the weak views are sure of; a scalar."""
    labelled, weak, strong = one_pass(model, batch, randomness)
    probabilities = functional.softmax(weak, dim=1)
    consistency = confident_consistency(strong, probabilities.argmax(dim=1), probabilities, params.confidence)
    return functional.cross_entropy(labelled, batch.labels) + params.lambda_u * consistency
