"""Training of the input-aware attack's generators (facts 4.4): the mask alone, then the pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from asd.attacks import Preparation
from asd.attacks._iab_networks import Generator, diversity_loss, near_binary
from asd.attacks._training import Trained, build_network, check_pad, numeric_mode, train_resumably
from asd.models._blocks import initialise
from asd.rng import numpy_generator, torch_generator
from asd.training.augment import draw
from asd.training.images import ImageStore, Normalisation, measure_normalisation
from asd.types import DataView

if TYPE_CHECKING:
    from asd.attacks.iab import Prepare

# Parts of all epochs after which a rate falls to a tenth: 10 and 20 of 25; 100 to 400 and 200 to 500 of 600.
_MASK_FALLS = (10 / 25, 20 / 25)
_CLASSIFIER_FALLS = (1 / 6, 1 / 3, 1 / 2, 2 / 3)
_PATTERN_FALLS = (1 / 3, 1 / 2, 2 / 3, 5 / 6)


def train_mask(train: DataView, params: Prepare, preparation: Preparation) -> tuple[Generator, Normalisation]:
    """The mask generator, frozen, and the normalisation that it was trained with."""
    check_pad(train, params.classifier.augment, "prepare.classifier.augment")
    _, device = numeric_mode(params.classifier.threads)
    normalisation = measure_normalisation(train.images)
    images = ImageStore(train.images, normalisation, params.classifier.augment, device)
    mask = _generator(train, 1, params, preparation, "mask").to(device)
    optimizer = torch.optim.Adam(mask.parameters(), lr=params.generator_lr, betas=(0.5, 0.9))

    def train_epoch(epoch: int) -> dict[str, float]:
        _set_rate(optimizer, params.generator_lr, epoch / params.mask_epochs, _MASK_FALLS)
        mask.train()
        density, steps = 0.0, 0
        for _, x, others in _pairs(images, params, preparation, epoch, "mask"):
            made, made_of_others = near_binary(mask(x)), near_binary(mask(others))
            too_much = functional.relu(made - params.mask_density).mean()
            loss = params.lambda_norm * too_much + params.lambda_div * diversity_loss(
                x, others, made, made_of_others
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            density, steps = density + float(made.detach().mean()), steps + 1
        return {"density": density / steps}

    train_resumably(preparation, "mask", {"mask": Trained(mask, optimizer)}, params.mask_epochs, train_epoch)
    return mask.eval().requires_grad_(False), normalisation


def train_pattern(
    train: DataView,
    params: Prepare,
    preparation: Preparation,
    mask: Generator,
    normalisation: Normalisation,
) -> Generator:
    """The pattern generator, trained together with a classifier that is thrown away."""
    settings = params.classifier
    _, device = numeric_mode(settings.threads)
    images = ImageStore(train.images, normalisation, settings.augment, device)
    labels = torch.from_numpy(train.labels.copy()).to(device)
    pattern = _generator(train, train.images.shape[1], params, preparation, "pattern").to(device)
    classifier = build_network(
        settings, train.images.shape[1], train.class_count, torch_generator(preparation.seed, "iab")
    ).to(device)
    of_pattern = torch.optim.Adam(pattern.parameters(), lr=params.generator_lr, betas=(0.5, 0.9))
    of_classifier = torch.optim.SGD(
        classifier.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay
    )
    planter = _Planter(mask, pattern, normalisation, device)

    def train_epoch(epoch: int) -> dict[str, float]:
        done = epoch / settings.epochs
        _set_rate(of_pattern, params.generator_lr, done, _PATTERN_FALLS)
        _set_rate(of_classifier, settings.lr, done, _CLASSIFIER_FALLS)
        pattern.train()
        classifier.train()
        total, hits, attacked, steps = 0.0, 0, 0, 0
        for rows, x, others in _pairs(images, params, preparation, epoch, "pattern"):
            count = max(2, round(len(x) * params.attack_ratio))  # batch norm wants two
            mixed, targets, diversity = planter.batch(x, others, labels[rows], count, params)
            logits = classifier(mixed)
            loss = functional.cross_entropy(logits, targets) + params.lambda_div * diversity
            of_classifier.zero_grad(set_to_none=True)
            of_pattern.zero_grad(set_to_none=True)  # the public code never does
            loss.backward()  # type: ignore[no-untyped-call]
            of_classifier.step()
            of_pattern.step()
            hits += int((logits[:count].argmax(1) == params.target_label).sum())
            total, attacked, steps = total + float(loss.detach()), attacked + count, steps + 1
        return {"loss": total / steps, "attacked": hits / attacked}

    parts = {"pattern": Trained(pattern, of_pattern), "classifier": Trained(classifier, of_classifier)}
    train_resumably(preparation, "pattern", parts, settings.epochs, train_epoch)
    return pattern.eval()


class _Planter:
    """Makes batches of which the first part is attacked and the next crossed."""

    def __init__(
        self, mask: Generator, pattern: Generator, normalisation: Normalisation, device: torch.device
    ) -> None:
        self._mask, self._pattern = mask, pattern
        self._mean = torch.tensor(normalisation.mean, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(normalisation.std, device=device).view(1, -1, 1, 1)

    def batch(
        self, x: Tensor, others: Tensor, labels: Tensor, count: int, params: Prepare
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images, targets, and the diversity loss of the patterns."""
        made, made_of_others = self._pattern(x[:count]), self._pattern(others[:count])
        own = self._put(x[:count], x[:count], made)
        crossed = self._put(x[count : 2 * count], others[:count], made_of_others)
        targets = labels.clone()
        targets[:count] = params.target_label
        diversity = diversity_loss(x[:count], others[:count], made, made_of_others)
        return torch.cat([own, crossed, x[2 * count :]]), targets, diversity

    def _put(self, x: Tensor, source: Tensor, made: Tensor) -> Tensor:
        made = made[: len(x)]
        return torch.lerp(x, (made - self._mean) / self._std, near_binary(self._mask(source[: len(x)])))


def _generator(
    train: DataView, outputs: int, params: Prepare, preparation: Preparation, name: str
) -> Generator:
    network = Generator(train.images.shape[1], outputs, params.width, params.steps)
    initialise(network, torch_generator(preparation.seed, "iab", name))
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    return network


def _pairs(
    images: ImageStore, params: Prepare, preparation: Preparation, epoch: int, name: str
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of one pass: rows, their views, and views of as many others; a rest is left out."""
    batch = min(params.classifier.batch, images.count)
    order = numpy_generator(preparation.seed, "iab", name, "order", epoch)
    views = torch_generator(preparation.seed, "iab", name, "views", epoch)
    first, second = order.permutation(images.count), order.permutation(images.count)
    for start in range(0, images.count - batch + 1, batch):
        rows, other_rows = first[start : start + batch], second[start : start + batch]
        x, others = (images.views(some, draw(batch, images.augment, views)) for some in (rows, other_rows))
        yield torch.from_numpy(rows), x, others


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, done: float, falls: tuple[float, ...]) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * 0.1 ** sum(done >= fall for fall in falls)
