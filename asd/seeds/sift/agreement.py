"""How sure cross-fitted ridge classifiers are of the labels as given, view by view.

Shapes: N samples, K classes, D = Q x M features (`asd.seeds.sift.patches`), V views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asd.seeds.sift.patches import parts

_CHUNK = 4096


@dataclass(frozen=True)
class Fit:
    """What the classifiers are fitted on.

    Attributes:
        labels_N: as given, int64.
        folds_N: number of the fold of each sample, 0 to F-1.
        use_N: whether it may be fitted on, bool; all are predicted.
        class_count: K.
        strength: of the ridge, as a part of the number of samples.
    """

    labels_N: Tensor
    folds_N: Tensor
    use_N: Tensor
    class_count: int
    strength: float


@dataclass
class _Sums:
    """Weighted sums over samples: of x x', x y', x, y and 1."""

    xx: Tensor
    xy: Tensor
    x: Tensor
    y: Tensor
    one: Tensor

    def minus(self, other: _Sums) -> _Sums:
        return _Sums(*(getattr(self, name) - getattr(other, name) for name in ("xx", "xy", "x", "y", "one")))


def margins(features_NQM: Tensor, regions: Mapping[str, Sequence[int]], fit: Fit) -> Tensor:
    """Score of the given label minus the best other, out of fold, float64, shape (N, V).

    One view a region; above 0 the label is predicted. Each sample is predicted by classifiers that were
    fitted on the other folds: least squares on targets +1 and -1 with a ridge, every class of
    equal weight, features of unit variance.

    Args:
        regions: the quarters that each region holds, V of them.
    """
    count, quarters, each = features_NQM.shape
    features = features_NQM.reshape(count, quarters * each)
    spread, mean = torch.std_mean(features.double(), 0)
    scale = (mean, spread.clamp(min=1e-6))
    columns = [_columns(held, each, features.device) for held in regions.values()]
    weights_N = _class_weights(fit)
    folds = int(fit.folds_N.max()) + 1
    sums = [_sums(features, scale, fit, weights_N, fold) for fold in range(folds)]
    whole = sums[0]
    for one in sums[1:]:
        whole = _Sums(*(getattr(whole, name) + getattr(one, name) for name in ("xx", "xy", "x", "y", "one")))
    found = torch.zeros(count, len(columns), dtype=torch.float64, device=features.device)
    for fold, own in enumerate(sums):
        solved = _solve(whole.minus(own), columns, fit.strength)
        rows = torch.nonzero(fit.folds_N == fold).flatten()
        for part in parts(rows, _CHUNK):
            found[part] = _margins_of(_scaled(features[part], scale), solved, fit.labels_N[part])
    return found


def _columns(held: Sequence[int], each: int, device: torch.device) -> Tensor:
    return torch.cat([torch.arange(one * each, (one + 1) * each, device=device) for one in held])


def _class_weights(fit: Fit) -> Tensor:
    """Weights that give every class the same sum, N / K in all."""
    sizes = torch.bincount(fit.labels_N[fit.use_N], minlength=fit.class_count).clamp(min=1)
    return (int(fit.use_N.sum()) / fit.class_count / sizes.double())[fit.labels_N]


def _scaled(features: Tensor, scale: tuple[Tensor, Tensor]) -> Tensor:
    return (features.double() - scale[0]) / scale[1]


def _sums(features: Tensor, scale: tuple[Tensor, Tensor], fit: Fit, weights_N: Tensor, fold: int) -> _Sums:
    width, classes, device = features.shape[1], fit.class_count, features.device
    shapes = ((width, width), (width, classes), (width,), (classes,), ())
    found = _Sums(*(torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes))
    rows = torch.nonzero((fit.folds_N == fold) & fit.use_N).flatten()
    for part in parts(rows, _CHUNK):
        x, weight = _scaled(features[part], scale), weights_N[part]
        weighted = x * weight[:, None]
        y = -torch.ones(len(part), classes, dtype=torch.float64, device=device)
        y[torch.arange(len(part), device=device), fit.labels_N[part]] = 1
        found.xx += weighted.T @ x
        found.xy += weighted.T @ y
        found.x += weighted.sum(0)
        found.y += weight @ y
        found.one += weight.sum()
    return found


def _solve(sums: _Sums, columns: Sequence[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Coefficients (V, D, K), 0 where a view does not look, and constants (V, K)."""
    total = sums.one.clamp(min=1)
    mean_x, mean_y = sums.x / total, sums.y / total
    xx = sums.xx - torch.outer(mean_x, mean_x) * total
    xy = sums.xy - torch.outer(mean_x, mean_y) * total
    coefficients = torch.zeros(len(columns), *xy.shape, dtype=xy.dtype, device=xy.device)
    for number, held in enumerate(columns):
        system = xx[held][:, held]
        system.diagonal().add_(strength * total)
        coefficients[number, held] = torch.cholesky_solve(xy[held], torch.linalg.cholesky(system))
    return coefficients, mean_y - torch.einsum("d,vdk->vk", mean_x, coefficients)


def _margins_of(x: Tensor, solved: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    coefficients, constants = solved
    views, width, classes = coefficients.shape
    flat = coefficients.permute(1, 0, 2).reshape(width, views * classes)
    scores = (x @ flat).reshape(len(x), views, classes) + constants
    at = labels[:, None, None].expand(-1, views, 1)
    own = scores.gather(2, at).squeeze(2)
    return own - scores.scatter(2, at, -torch.inf).amax(2)
