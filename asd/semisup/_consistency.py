"""One pass over labelled, weak and strong images, and the masked loss that UDA and FixMatch share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asd.semisup import SemiBatch, StepRandomness


def one_pass(model: nn.Module, batch: SemiBatch, randomness: StepRandomness) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of the labelled, the weak and the strong images; the weak ones carry no gradient.

    All go through the network together, so batch norm sees one mixture.
    """
    (weak,), (strong,) = batch.unlabelled, batch.strong
    with randomness.autocast():
        logits = model(torch.cat([batch.labelled, weak, strong]))
    sizes = [len(batch.labelled), len(weak), len(strong)]
    of_labelled, of_weak, of_strong = torch.split(logits, sizes)
    return of_labelled, of_weak.detach(), of_strong


def confident_consistency(
    strong_logits: Tensor, targets: Tensor, weak_probabilities: Tensor, confidence: float
) -> Tensor:
    """Mean over the batch of the cross-entropy where the weak view is sure, and 0 elsewhere.

    Args:
        targets: classes (B,) or distributions (B, K).
        weak_probabilities: shape (B, K); sure is a largest one of at least `confidence`.
    """
    sure = weak_probabilities.amax(dim=1) >= confidence
    each = functional.cross_entropy(strong_logits, targets, reduction="none")
    return (each * sure).mean()
