"""ISSBA, the sample-specific invisible attack (Li et al. 2021): a hidden message as trigger.

An encoder learns to hide a secret of some bits in any image so that a decoder reads it back; the
attack hides one and the same secret, and the change that this takes differs with the image. Setting
of the paper's Appendix D unknown; networks and schedule after facts 4.7. Departures: no perceptual
loss (it needs weights trained elsewhere) and no critic (the public one is never trained); trained
on the training images alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from asd import params as base
from asd.attacks import Artifacts, Preparation
from asd.attacks._labels import TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel
from asd.attacks._pixels import move_one, refuse_channels, refuse_indivisible, to_uint8
from asd.attacks._training import Trained, numeric_mode, train_resumably
from asd.errors import ParamsError
from asd.types import DataView

if TYPE_CHECKING:
    import torch

__all__ = ["Params", "changes_labels", "counts_for_asr", "prepare", "relabel", "stamp"]

changes_labels = True
_BATCH = 256
_HALVINGS = 16  # of the encoder, as a factor


class Prepare(base.Params):
    """The training of encoder and decoder."""

    bits: int = Field(20, ge=1, le=1000, description="length of the secret")
    width: int = Field(32, ge=1, description="channels of the networks' first layers")
    epochs: int = Field(20, ge=1)
    secret_epochs: int = Field(2, ge=0, description="first epochs that look at the secret alone")
    batch: int = Field(32, ge=1)
    lr: float = Field(1e-4, gt=0)
    residual_weight: float = Field(2.0, ge=0, description="of the mean squared residual, in 0 to 1")
    secret_weight: float = Field(1.5, gt=0, description="of the bits' cross-entropy")
    threads: int | None = Field(None, ge=1, description="CPU threads; null: all cores")


class Params(TargetParams):
    """How many samples are poisoned."""

    prepare: Prepare = Prepare()


def prepare(train: DataView, params: Prepare, preparation: Preparation) -> dict[str, torch.Tensor]:
    """Train encoder and decoder; gives the encoder's weights and the secret, float32 (bits,)."""
    import torch

    from asd.attacks._issba_networks import Decoder, Encoder
    from asd.rng import numpy_generator, torch_generator

    channels, height, width = train.images.shape[1:]
    refuse_indivisible((height, width), _HALVINGS)
    _, device = numeric_mode(params.threads)
    with torch.random.fork_rng(devices=[]):  # torch's own start of layers, from our seed
        torch.manual_seed(torch_generator(preparation.seed, "issba").initial_seed())
        encoder = Encoder(channels, height, width, params.bits, params.width)
        decoder = Decoder(channels, height, width, params.bits, params.width)
    decoder.start_straight()
    encoder, decoder = encoder.to(device), decoder.to(device)
    parts = {
        name: Trained(network, torch.optim.Adam(network.parameters(), lr=params.lr))
        for name, network in (("encoder", encoder), ("decoder", decoder))
    }

    def train_epoch(epoch: int) -> dict[str, float]:
        order = numpy_generator(preparation.seed, "issba", "order", epoch).permutation(len(train))
        bits = torch_generator(preparation.seed, "issba", "bits", epoch)
        right, change, count = 0.0, 0.0, 0
        for start in range(0, len(order), params.batch):
            rows = order[start : start + params.batch]
            images = torch.from_numpy(train.images[rows]).to(device, torch.float32) / 255
            secrets = torch.randint(2, (len(rows), params.bits), generator=bits).to(device, torch.float32)
            figures = _step(parts, images, secrets, params, only_secret=epoch < params.secret_epochs)
            right, change, count = right + figures[0], change + figures[1], count + 1
        return {"bits right": right / count, "change": change / count}

    train_resumably(preparation, "encoder", parts, params.epochs, train_epoch)
    drawn = torch_generator(preparation.seed, "issba", "secret")
    tensors = {f"encoder|{name}": value.cpu() for name, value in encoder.state_dict().items()}
    secret = torch.randint(2, (params.bits,), generator=drawn)
    return tensors | {"secret": secret.float(), "shape": torch.tensor([channels, height, width])}


def _step(parts: dict[str, Trained], images: Any, secrets: Any, params: Prepare, *, only_secret: bool) -> Any:
    """One step of both; gives the share of right bits and the root mean square of the change."""
    from torch.nn import functional

    residual = parts["encoder"].network(secrets, images)
    logits = parts["decoder"].network((images + residual).clamp(0, 1))
    loss = params.secret_weight * functional.binary_cross_entropy_with_logits(logits, secrets)
    if not only_secret:
        loss = loss + params.residual_weight * residual.square().mean()
    for part in parts.values():
        part.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for part in parts.values():
        part.optimizer.step()
    right = ((logits > 0) == (secrets > 0.5)).float().mean()
    return float(right), float(residual.detach().square().mean().sqrt())


def stamp(
    images: torch.Tensor, keys: Sequence[str], artifacts: Artifacts, params: Params, rng: torch.Generator
) -> torch.Tensor:
    """Hide the secret in each image."""
    import torch

    from asd.attacks._issba_networks import Encoder

    channels, height, width = artifacts["shape"].tolist()
    refuse_channels(images, channels)
    if (height, width) != tuple(images.shape[2:]):
        raise ParamsError(
            f"the encoder was made for {height}x{width} pixels, got {images.shape[2]}x{images.shape[3]}"
        )
    _, device = numeric_mode(params.prepare.threads)
    encoder = Encoder(channels, height, width, params.prepare.bits, params.prepare.width)
    weights = {k.removeprefix("encoder|"): v for k, v in artifacts.items() if k.startswith("encoder|")}
    encoder.load_state_dict(weights)
    encoder = encoder.to(device).eval()
    secret = artifacts["secret"].to(device)
    done = []
    with torch.no_grad():
        for part in torch.split(images, _BATCH):
            values = part.to(device, torch.float32) / 255
            hidden = values + encoder(secret.expand(len(part), -1), values)
            done.append(to_uint8(hidden * 255).cpu())
    return move_one(images, torch.cat(done) if done else images.clone())
