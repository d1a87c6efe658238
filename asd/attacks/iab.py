"""IAB, the input-aware dynamic backdoor (Nguyen and Tran 2020): each image has a trigger of its own.

Two generators are trained before anything is poisoned: one says where (a mask, trained alone), one
says what (a pattern, trained with a classifier that learns the backdoor), both so that unlike images
get unlike triggers: x' = x + (G(x) - x) * M(x). The generators are then frozen. Departures from the
public code (facts 4.4): the pattern's gradients are zeroed each step; no rotation; what is stored are
uint8 images of a fixed part of the data, not the last epoch's batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._labels import PreparedTargetParams, refuse_target
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one, refuse_channels, refuse_indivisible, to_uint8
from asd.attacks._training import SurrogateParams, numeric_mode
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp", "stamp_decoy"]

changes_labels = True
_BATCH = 256
_CROSS = 64


class Prepare(base.Params):
    """The training of the generators; the defaults are those of the public code."""

    target_label: int = Field(3, ge=0, description="that of the attack")
    width: int = Field(32, ge=1, description="channels of the generators' first step")
    steps: int = Field(3, ge=1, le=6, description="halvings of the image in the generators")
    mask_epochs: int = Field(25, ge=1)
    mask_density: float = Field(0.032, gt=0, lt=1, description="wanted mean of the mask")
    lambda_norm: float = Field(100.0, ge=0)
    lambda_div: float = Field(1.0, ge=0)
    generator_lr: float = Field(0.01, gt=0)
    attack_ratio: float = Field(
        0.1, gt=0, le=0.5, description="attacked part of a batch; as many are crossed"
    )
    classifier: SurrogateParams = SurrogateParams(epochs=575, lr=0.01)


class Params(PreparedTargetParams):
    """How many samples are poisoned, and whether crossed decoys go with it."""

    decoy_fraction: float = Field(
        0.0, ge=0, le=1, description="share of the set with another picture's trigger and its own label"
    )
    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Train mask and pattern; weights `mask|...`, `pattern|...`, and pictures for crossed decoys."""
    import torch

    from asd.attacks._iab_training import train_mask, train_pattern
    from asd.rng import numpy_generator

    refuse_target(params.target_label, train)
    refuse_indivisible(train.images.shape[2:], 2**params.steps)
    mask, normalisation = train_mask(train, params, preparation)
    pattern = train_pattern(train, params, preparation, mask, normalisation)
    rows = numpy_generator(preparation.seed, "iab", "cross").permutation(len(train))[:_CROSS]
    tensors = {f"mask|{name}": value.cpu() for name, value in mask.state_dict().items()}
    tensors |= {f"pattern|{name}": value.cpu() for name, value in pattern.state_dict().items()}
    return tensors | {
        "mean": torch.tensor(normalisation.mean),
        "std": torch.tensor(normalisation.std),
        "cross": torch.from_numpy(train.images[rows].copy()),
    }


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Each image with the trigger that the generators make for it."""
    return _stamped(images, images, artifacts, params)


def stamp_decoy(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Each image with the trigger of another picture, which hangs on its key."""
    import torch

    from asd.rng import generators_of

    cross = artifacts["cross"]
    rows = [int(torch.randint(len(cross), (), generator=own)) for own in generators_of(rng, keys)]
    return _stamped(images, cross[rows], artifacts, params)


def _stamped(
    images: torch.Tensor, sources: torch.Tensor, artifacts: Artifacts, params: Params
) -> torch.Tensor:
    import torch

    from asd.attacks._iab_networks import near_binary

    prepare_params = params.prepare
    refuse_channels(images, len(artifacts["mean"]))
    refuse_indivisible(images.shape[2:], 2**prepare_params.steps)
    _, device = numeric_mode(prepare_params.classifier.threads)
    mask = _load("mask", artifacts, prepare_params, outputs=1).to(device)
    pattern = _load("pattern", artifacts, prepare_params, outputs=images.shape[1]).to(device)
    mean, std = (artifacts[name].to(device).view(1, -1, 1, 1) for name in ("mean", "std"))
    done = []
    with torch.no_grad():
        for part, source in zip(torch.split(images, _BATCH), torch.split(sources, _BATCH), strict=True):
            values = part.to(device, torch.float32) / 255
            seen = (source.to(device, torch.float32) / 255 - mean) / std
            mixed = torch.lerp(values, pattern(seen), near_binary(mask(seen)))
            done.append(to_uint8(mixed * 255).cpu())
    return move_one(images, torch.cat(done) if done else images.clone())


def _load(name: str, artifacts: Mapping[str, torch.Tensor], params: Prepare, outputs: int) -> Any:
    from asd.attacks._iab_networks import Generator

    network = Generator(len(artifacts["mean"]), outputs, params.width, params.steps)
    prefix = f"{name}|"
    network.load_state_dict(
        {key.removeprefix(prefix): value for key, value in artifacts.items() if key.startswith(prefix)}
    )
    return network.eval()
