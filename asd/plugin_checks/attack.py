"""What every attack promises (`asd.attacks`)."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from asd.attacks import Attack, Preparation, PreparingAttack
from asd.errors import ParamsError
from asd.params import Params
from asd.plugin_checks import require
from asd.progress import Reporter
from asd.rng import numpy_generator, torch_generator
from asd.shards.png import encode_png
from asd.types import DataView, SampleIndex, content_sha256

SHAPES = ((3, 32, 32), (1, 32, 32), (1, 8, 8), (3, 9, 14), (3, 1, 1))
"""Of images (C, H, W) that an attack stamps or clearly refuses."""

CLASSES, IMAGES = 10, 6
_COLOUR = SHAPES[0]
# Of six images: half of them turned round, and none. No single one: kernels for one image round
# otherwise, and a search by signs of gradients (`clb` on a ResNet-18) makes that whole grey levels.
_OTHER_BATCHES = ((5, 2, 0), ())
_SEED = 5

# What our own attacks train is made small here; that it then works is shown elsewhere.
_SURROGATE = {
    "network": "small_resnet",
    "network_params": {"widths": [4, 8], "strides": [2, 2]},
    "epochs": 1,
    "augment": {"pad": 2},
    "threads": 1,
}
TRIGGER = encode_png(np.full((3, 1, 1), 77, dtype=np.uint8))
"""A picture that lies as `trigger.png` where an attack is checked with params of ours."""
SMALL: dict[str, dict[str, Any]] = {
    "custom": {"prepare": {"picture": "trigger.png", "picture_sha256": hashlib.sha256(TRIGGER).hexdigest()}},
    "clb": {"steps": 2, "prepare": {"surrogate": _SURROGATE}},
    "adaptive_disguise": {"steps": 2, "prepare": {"surrogate": _SURROGATE}},
    "iab": {"prepare": {"width": 2, "mask_epochs": 1, "classifier": _SURROGATE}},
    "issba": {"prepare": {"width": 2, "epochs": 1, "threads": 1}},
    "adaptive_gradient": {"prepare": {"surrogate": _SURROGATE, "iterations": 2, "batch": 4}},
}
"""Params of plug-ins whose defaults would train for long, or that have none."""

ROUNDING, ROUNDED = 1, 0.01
"""Grey values, and share of an image's values, that may differ by rounding where `prepare` made networks."""

NOTHING = ("none",)
"""Plug-ins that change no image, by design."""


@dataclass(frozen=True)
class Case:
    """One attack with its params.

    Attributes:
        plugin: its plug-in's name.
        attack: the module.
        params: its checked params.
        files: below which relative paths in params are looked for; None: params of `SMALL`.
    """

    plugin: str
    attack: ModuleType
    params: Any
    files: Path | None = None
    _artifacts: dict[tuple[int, ...], dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def plants(self) -> bool:
        """Whether it changes images at all."""
        return self.plugin not in NOTHING

    def prepared(self, shape: Sequence[int], *, again: bool = False) -> dict[str, Any]:
        """What it prepares on random images of a shape (C, H, W); kept for the next check."""
        key = tuple(shape)
        if again or key not in self._artifacts:
            made = self._prepare(random_images(shape)) if isinstance(self.attack, PreparingAttack) else {}
            if again:
                return made
            self._artifacts[key] = made
        return self._artifacts[key]

    def _prepare(self, images: torch.Tensor) -> dict[str, Any]:
        pixels = images.numpy()
        index = SampleIndex(
            keys=tuple(_keys(images)),
            labels=np.arange(len(pixels), dtype=np.int64) % CLASSES,
            content=tuple(content_sha256(image) for image in pixels),
            sources=("check",) * len(pixels),
        )
        view = DataView(index, pixels, tuple(f"class{i}" for i in range(CLASSES)), trusted=True)
        with tempfile.TemporaryDirectory(prefix="asd-check-") as folder:
            (Path(folder) / "trigger.png").write_bytes(TRIGGER)
            files = self.files or Path(folder)
            preparation = Preparation(
                _SEED, Reporter("prepare", self.plugin, io.StringIO()), Path(folder) / "s", files
            )
            made: dict[str, Any] = self.attack.prepare(view, self.params.prepare, preparation)
            return made

    def stamp(
        self, images: torch.Tensor, by: str = "stamp", artifacts: dict[str, Any] | None = None
    ) -> torch.Tensor:
        """Stamp images with fresh random numbers of one seed."""
        made = self.prepared(images.shape[1:]) if artifacts is None else artifacts
        return self._stamp(by, images, _keys(images), made, torch_generator(_SEED, "stamp"))

    def stamp_some(self, images: torch.Tensor, rows: Sequence[int], by: str) -> torch.Tensor:
        """Stamp some of the images as a later batch of one seed: their keys, and numbers drawn before."""
        keys, rng = _keys(images), torch_generator(_SEED, "stamp")
        torch.rand(7, generator=rng)
        made = self.prepared(images.shape[1:])
        return self._stamp(by, images[list(rows)], [keys[row] for row in rows], made, rng)

    def _stamp(self, by: str, *given: Any) -> torch.Tensor:
        images, keys, artifacts, rng = given
        stamped: torch.Tensor = getattr(self.attack, by)(images, keys, artifacts, self.params, rng)
        return stamped

    @property
    def stampers(self) -> list[str]:
        """Names of the functions that it stamps with."""
        return [name for name in ("stamp", "stamp_test", "stamp_decoy") if hasattr(self.attack, name)]


def random_images(shape: Sequence[int], count: int = IMAGES) -> torch.Tensor:
    """Random pictures, uint8, shape (count, C, H, W)."""
    values = numpy_generator(1, "images").integers(0, 256, size=(count, *shape), dtype=np.uint8)
    return torch.from_numpy(values)


def _plain_images(shape: Sequence[int]) -> torch.Tensor:
    """A black, a grey and a white picture, uint8, shape (3, C, H, W)."""
    values = torch.tensor([0, 128, 255], dtype=torch.uint8)
    return values.view(-1, 1, 1, 1).repeat(1, *shape)


def _keys(images: torch.Tensor) -> list[str]:
    return [f"k{i}" for i in range(len(images))]


def is_an_attack(case: Case) -> None:
    """It has Params, changes_labels, stamp, relabel and counts_for_asr."""
    wanted = ("Params", "changes_labels", "stamp", "relabel", "counts_for_asr")
    missing = [name for name in wanted if not hasattr(case.attack, name)]
    require(not missing, f"it has no {', '.join(missing)}")
    require(isinstance(case.attack, Attack), "it is not what asd.attacks.Attack describes")
    require(isinstance(case.attack.changes_labels, bool), "changes_labels must be True or False")
    require(issubclass(case.attack.Params, Params), "Params must be a subclass of asd.params.Params")


def params_have_what_planting_reads(case: Case) -> None:
    """Its params have prepare, poison_fraction, count and of, each within bounds."""
    params = case.params
    missing = [name for name in ("prepare", "poison_fraction", "count", "of") if not hasattr(params, name)]
    require(not missing, f"params lack {', '.join(missing)}")
    require(0 <= params.poison_fraction <= 1, f"poison_fraction is {params.poison_fraction}, wanted 0 to 1")
    require(params.count in ("exact", "bernoulli"), f"count is {params.count!r}")
    require(params.of in ("data", "eligible"), f"of is {params.of!r}")
    require(isinstance(params.prepare, Params), "prepare must be a section: a subclass of asd.params.Params")


def leaves_its_input_alone(case: Case) -> None:
    """Stamping leaves the images that it is given as they are."""
    for by in case.stampers:
        images = random_images(_COLOUR)
        before = images.clone()
        stamped = case.stamp(images, by)
        require(torch.equal(images, before), f"{by} changed its input")
        require(stamped.data_ptr() != images.data_ptr(), f"{by} returned its input, wanted a copy")


def stamps_or_refuses(case: Case, shape: Sequence[int]) -> None:
    """It gives uint8 images of the same shape, or a ParamsError that names the size."""
    images = random_images(shape)
    for by in case.stampers:
        try:
            stamped = case.stamp(images, by)
        except ParamsError as error:
            size = f"{shape[1]}x{shape[2]}"
            require(size in str(error), f"{by} refused {size} images without naming the size: {error}")
        else:
            got = f"{stamped.dtype} {tuple(stamped.shape)}"
            require(
                (stamped.dtype, stamped.shape) == (torch.uint8, images.shape),
                f"{by} made {got} of torch.uint8 {tuple(images.shape)}",
            )


def _shape_check(shape: tuple[int, int, int]) -> Callable[[Case], None]:
    channels, height, width = shape

    def check(case: Case) -> None:
        stamps_or_refuses(case, shape)

    check.__name__ = f"stamps_or_refuses_{channels}x{height}x{width}"
    check.__doc__ = (
        f"{channels}x{height}x{width} images: uint8 of that shape, or an error that names the size."
    )
    return check


def changes_every_image(case: Case) -> None:
    """Every stamped image differs from its source, noise, black, grey and white alike."""
    images = torch.cat([random_images(_COLOUR), _plain_images(_COLOUR)])
    for by in case.stampers:
        differs = (case.stamp(images, by) != images).flatten(1).any(dim=1)
        same = int((~differs).sum())
        if case.plants:
            require(not same, f"{by} left {same} of {len(images)} images as they were")
        else:
            require(same == len(images), f"{by} must change nothing")


def gives_the_same_bytes_for_the_same_seed(case: Case) -> None:
    """Prepared and stamped twice with one seed, it gives the same bytes."""
    images = random_images(_COLOUR)
    for by in case.stampers:
        again = case.prepared(_COLOUR, again=True)
        require(
            torch.equal(case.stamp(images, by), case.stamp(images, by, again)),
            f"{by} gave other bytes the second time; take random numbers from `rng` alone",
        )


def stamps_an_image_alike_in_any_batch(case: Case) -> None:
    """An image comes out alike in any batch and place, whatever `rng` drew before; no images give none."""
    images = random_images(_COLOUR)
    exact = not isinstance(case.attack, PreparingAttack)
    for by in case.stampers:
        whole = case.stamp(images, by).to(torch.int16)
        for rows in _OTHER_BATCHES:
            apart = (case.stamp_some(images, rows, by) - whole[list(rows)]).abs()
            for row, values in zip(rows, apart, strict=True):
                most, share = int(values.max()), float((values > 0).double().mean())
                holds = not most if exact else most <= ROUNDING and share <= ROUNDED
                require(
                    holds,
                    f"{by} gave image {row} of {len(images)} other bytes when it was stamped with images "
                    f"{list(rows)} ({share:.0%} of its values, by up to {most}); let choices hang on the key",
                )


def wants_labels_that_exist(case: Case) -> None:
    """Wanted labels are int64 of the given shape, not negative, and the given ones stay."""
    labels = np.arange(CLASSES, dtype=np.int64)
    before = labels.copy()
    wanted = case.attack.relabel(labels, case.params, CLASSES)
    got = f"{wanted.dtype} {wanted.shape}"
    require((wanted.dtype, wanted.shape) == (np.int64, (CLASSES,)), f"relabel gave {got}, wanted int64 (10,)")
    require(wanted.min() >= 0, f"relabel wants label {wanted.min()}")
    require(np.array_equal(labels, before), "relabel changed the labels that it was given")


def counts_images_that_show_success(case: Case) -> None:
    """Only images that do not have the wanted label count for attack success, and some do."""
    labels = np.arange(CLASSES, dtype=np.int64)
    counts = case.attack.counts_for_asr(labels, case.params)
    got = f"{counts.dtype} {counts.shape}"
    require((counts.dtype, counts.shape) == (np.bool_, (CLASSES,)), f"counts_for_asr gave {got}")
    have = case.attack.relabel(labels, case.params, CLASSES) == labels
    require(not counts[have].any(), "an image that has the wanted label counts for attack success")
    require(bool(counts.any()) is case.plants, "no image counts for attack success")


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_an_attack,
    params_have_what_planting_reads,
    leaves_its_input_alone,
    *(_shape_check(shape) for shape in SHAPES),
    changes_every_image,
    gives_the_same_bytes_for_the_same_seed,
    stamps_an_image_alike_in_any_batch,
    wants_labels_that_exist,
    counts_images_that_show_success,
)
