"""ReMixMatch: aligned guesses of a weak view as labels of strong views, MixUp, and a rotation task.

Source: Berthelot et al. 2020, sections 3.1 to 3.3; constants of facts 3.3. RandAugment stands in
for CTAugment, and the labelled images are weak views, as in TorchSSL. ASD's own settings are not
known. Guesses are aligned with equal classes, not with the clean pool's: the pool has few samples
of the target class on purpose.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from asd.errors import ParamsError
from asd.models._blocks import ImageClassifier, initialise_head
from asd.params import Params as BaseParams
from asd.semisup import SemiBatch, StepRandomness, Views
from asd.semisup._mixing import forward_interleaved, mix_up, sharpen
from asd.training.losses import soft_cross_entropy
from asd.training.strong import StrongParams

TURNS = 4
_SMALLEST = 1e-6
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Params(BaseParams):
    """ReMixMatch's constants."""

    temperature: float = Field(
        0.5, ge=0.1, description="T of the sharpening; powers of small shares underflow below 0.1"
    )
    mix: float = Field(0.75, gt=0, description="both parameters of the Beta distribution")
    anchored: int = Field(
        2, ge=1, description="K: strong views of each image; the paper's is 8, TorchSSL's 2"
    )
    w_match: float = Field(1.5, ge=0, description="weight of the mixed unlabelled images")
    w_kl: float = Field(0.5, ge=0, description="weight of the first strong view, not mixed")
    w_rot: float = Field(0.5, ge=0, description="weight of the rotation task; 0: none")
    ramp: float = Field(
        16 / 120, ge=0, le=1, description="share of the run in which w_match and w_kl grow from 0: 16 epochs"
    )
    average_over: int = Field(128, ge=1, description="batches over which the mean guess is taken")
    prior: tuple[float, ...] | None = Field(
        None,
        min_length=2,
        description="expected share of each class among the unlabelled images; null: equal shares",
    )
    strong: StrongParams = StrongParams()

    @model_validator(mode="after")
    def _prior_is_a_distribution(self) -> Params:
        if self.prior is not None and (min(self.prior) < 0 or abs(sum(self.prior) - 1) > 1e-6):
            raise ValueError(f"prior must be shares that sum to 1, got {list(self.prior)}")
        return self


class Beside(nn.Module):
    """The rotation head, and the last batches' mean guesses from which p(model) is taken."""

    recent: Tensor
    batches: Tensor
    prior: Tensor

    def __init__(self, params: Params, feature_size: int, class_count: int) -> None:
        super().__init__()
        equal = torch.full((class_count,), 1 / class_count)
        self.register_buffer("prior", equal if params.prior is None else torch.tensor(params.prior))
        self.register_buffer("recent", equal.repeat(params.average_over, 1))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.rotation = nn.Linear(feature_size, TURNS) if params.w_rot else None

    @torch.no_grad()
    def align(self, guesses_BK: Tensor) -> Tensor:
        """Guesses times p(data) / p(model), renormalised; then they are counted themselves."""
        ratio = (self.prior + _SMALLEST) / (self.recent.mean(0) + _SMALLEST)
        aligned = guesses_BK * ratio
        self.recent.index_copy_(0, self.batches[None] % len(self.recent), guesses_BK.mean(0, keepdim=True))
        self.batches += 1
        return aligned / aligned.sum(1, keepdim=True)


def views(params: Params) -> Views:
    """One weak view and K strong ones."""
    return Views(weak=1, strong=params.anchored, augment=params.strong)


def auxiliary(params: Params, feature_size: int, class_count: int, generator: torch.Generator) -> Beside:
    """The rotation head and the running mean, fresh.

    Raises:
        ParamsError: the prior has another number of classes.
    """
    if params.prior is not None and len(params.prior) != class_count:
        raise ParamsError(
            f"engine_params.prior has {len(params.prior)} shares, the data have {class_count} classes"
        )
    beside = Beside(params, feature_size, class_count)
    if beside.rotation is not None:
        initialise_head(beside.rotation, generator)
    return beside


def loss(
    model: ImageClassifier, batch: SemiBatch, params: Params, randomness: StepRandomness, auxiliary: Beside
) -> Tensor:
    """Lx + w_match Lu + w_kl Ls + w_rot Lr of one step; a scalar.

    Batch norm uses the statistics of each pass, but only the first mixed pass moves the running
    ones, as in the published programs.
    """
    (weak,) = batch.unlabelled
    guess = guess_labels(model, weak, params.temperature, randomness, auxiliary)
    targets = functional.one_hot(batch.labels, batch.class_count).float()
    inputs = torch.cat([batch.labelled, *batch.strong, weak])
    all_targets = torch.cat([targets, *[guess] * (len(batch.strong) + 1)])
    weight = randomness.numpy.beta(params.mix, params.mix)
    order = torch.randperm(len(inputs), generator=randomness.torch).to(inputs.device)
    mixed, mixed_targets = mix_up(inputs, all_targets, max(weight, 1 - weight), order)
    size = len(batch.labelled)
    with randomness.autocast():
        logits = forward_interleaved(_first_moves(model), mixed, size)
    labelled_loss = soft_cross_entropy(logits[:size], mixed_targets[:size])
    match = soft_cross_entropy(logits[size:], mixed_targets[size:])
    unmixed, rotation = _first_strong_view(model, batch.strong[0], guess, randomness, auxiliary)
    ramp = ramped(params.ramp, batch.progress)
    return labelled_loss + ramp * (params.w_match * match + params.w_kl * unmixed) + params.w_rot * rotation


def ramped(share: float, progress: float) -> float:
    """0 at the start of the run, 1 once `share` of it is done, linear in between."""
    return 1.0 if progress >= share else max(progress, 0.0) / share


@torch.no_grad()
def guess_labels(
    model: nn.Module, weak: Tensor, temperature: float, randomness: StepRandomness, beside: Beside
) -> Tensor:
    """Prediction of the weak view, aligned and sharpened, shape (B, K)."""
    with randomness.autocast(), _still_statistics(model):
        guesses = functional.softmax(model(weak), dim=1)
    return sharpen(beside.align(guesses), temperature)


def _first_strong_view(
    model: ImageClassifier, strong: Tensor, guess: Tensor, randomness: StepRandomness, beside: Beside
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the view against the guess, and of its turned copy against the turns."""
    with _still_statistics(model):
        if beside.rotation is None:
            with randomness.autocast():
                logits = model(strong)
            return soft_cross_entropy(logits, guess), logits.new_zeros(())
        turned, turns = rotated(strong, randomness.torch)
        with randomness.autocast():
            features = model.features(torch.cat([strong, turned])).float()
    upright, of_turned = features.chunk(2)
    rotation = functional.cross_entropy(beside.rotation(of_turned), turns)
    return soft_cross_entropy(model.head(upright), guess), rotation


def rotated(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each image turned by 0 to 3 quarters, and the number of quarters (B,).

    Raises:
        ParamsError: the images are not square.
    """
    height, width = images.shape[2:]
    if height != width:
        raise ParamsError(
            f"remixmatch turns pictures and wants square ones, got {height}x{width}; "
            "set engine_params.w_rot: 0"
        )
    turns = torch.randint(0, TURNS, (len(images),), generator=generator).to(images.device)
    copies = torch.stack([torch.rot90(images, quarter, (2, 3)) for quarter in range(TURNS)])
    return copies[turns, torch.arange(len(images), device=images.device)], turns


def _first_moves(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network; only its first pass moves the running statistics."""
    passes = itertools.count()

    def forward(images: Tensor) -> Tensor:
        with contextlib.nullcontext() if next(passes) == 0 else _still_statistics(model):
            logits: Tensor = model(images)
        return logits

    return forward


@contextlib.contextmanager
def _still_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norm in training mode that leaves its running statistics alone."""
    norms = (m for m in model.modules() if isinstance(m, _BATCH_NORMS))
    moving = [norm for norm in norms if norm.track_running_stats]
    for norm in moving:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in moving:
            norm.track_running_stats = True
