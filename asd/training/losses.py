"""Losses with the paper's symbols. Shapes: logits (B, K), labels (B,)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SCE_CE_WEIGHT = 0.1
SCE_RCE_WEIGHT = 1.0
_LEAST_PROBABILITY = 1e-7
_LOG_OF_ZERO = math.log(1e-4)


def symmetric_cross_entropy(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    """SCE of each sample, shape (B,): 0.1 CE + RCE, the score L1 of the paper.

    About 0 to 9.2 plus a tenth of the cross-entropy; high means badly fitted. The reverse term
    takes log 0 as log 1e-4 and no probability below 1e-7.

    Source: section 4.1; Wang et al. 2019 with the constants of the public code.
    """
    logits_BK = logits_BK.float()
    cross_entropy = functional.cross_entropy(logits_BK, labels_B, reduction="none")
    probabilities = functional.softmax(logits_BK, dim=1).clamp(_LEAST_PROBABILITY, 1)
    others = probabilities.scatter(1, labels_B[:, None], 0.0).sum(1)
    return SCE_CE_WEIGHT * cross_entropy + SCE_RCE_WEIGHT * -_LOG_OF_ZERO * others


def soft_cross_entropy(logits_BK: Tensor, targets_BK: Tensor) -> Tensor:
    """Mean cross-entropy against soft targets (rows sum to 1); a scalar."""
    return -(targets_BK * functional.log_softmax(logits_BK, dim=1)).sum(1).mean()


def mean_squared_probability_error(logits_BK: Tensor, targets_BK: Tensor) -> Tensor:
    """Mean over all B x K entries of (softmax - target)^2; a scalar (note the division by K)."""
    return torch.mean((functional.softmax(logits_BK, dim=1) - targets_BK) ** 2)
