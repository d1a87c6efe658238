"""How fast attacks stamp, and what the poison step costs on training sets of two sizes."""

from __future__ import annotations

import io
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asd import truth
from asd.errors import ParamsError, nearest
from asd.params import check
from asd.planting import Trigger
from asd.plugin_checks.attack import SMALL, Case, random_images
from asd.progress import Reporter
from asd.registry import Registry
from asd.rng import numpy_generator
from asd.shards.manifest import read_index
from asd.shards.verify import verify_folder
from asd.shards.write import write_shards
from asd.steps.poison import plant
from asd.types import Images, Sample

SHAPE = (3, 32, 32)
BATCH = 4096
WANTED = 20_000
"""Images a second on one core that an attack without a network must stamp."""

_REPEATS = 5
_FIRST, _LONGEST = 4, 1.0  # images of the first try; seconds of a measurement, about
_CLASSES = 10

_ONE_EPOCH = {"surrogate": {"epochs": 1, "threads": 1}}
TRAINED: dict[str, dict[str, Any]] = {
    "clb": {"prepare": _ONE_EPOCH},
    "adaptive_gradient": {"prepare": {**_ONE_EPOCH, "iterations": 1}},
    "adaptive_disguise": {"prepare": _ONE_EPOCH},
    "iab": {"prepare": {"mask_epochs": 1, "classifier": {"epochs": 1, "threads": 1}}},
    "issba": {"prepare": {"epochs": 1, "secret_epochs": 1, "threads": 1}},
}
"""Attacks with networks; these keep their size and are barely trained, which stamps as fast."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Speed:
    """Of one attack on one thread.

    Attributes:
        attack: its plug-in.
        images_per_second: stamped, the median of several tries.
        copies: how many times as long as a plain copy by numpy, measured beside it.
        trains: whether it stamps with a trained network or a search on one.
    """

    attack: str
    images_per_second: float
    copies: float
    trains: bool

    @property
    def is_fast(self) -> bool | None:
        """Whether it reaches `WANTED`; None where that is not asked for."""
        return None if self.trains else self.images_per_second >= WANTED


@dataclass(frozen=True)
class Planted:
    """What planting into one training set cost.

    Attributes:
        images: N of the training set.
        poisoned: how many were changed.
        check_seconds: to verify the training set, which every step does with its inputs.
        index_seconds: to read keys, labels and hashes of all N.
        plant_seconds: all the rest: choosing, reading, stamping and writing.
        overlay_bytes: of the overlay.
        truth_bytes: of the truth.
    """

    images: int
    poisoned: int
    check_seconds: float
    index_seconds: float
    plant_seconds: float
    overlay_bytes: int
    truth_bytes: int


@dataclass(frozen=True)
class PoisonBench:
    """All that `asd bench poison` measures."""

    copy_images_per_second: float
    speeds: list[Speed]
    planted: list[Planted]


def measure(
    attacks: Sequence[str], sizes: Sequence[int], poisoned: int, say: Say, folder: Path | None = None
) -> PoisonBench:
    """Measure in this process, on one thread.

    Args:
        attacks: plug-ins; empty for all.
        sizes: of the made-up training sets; empty for none.
        poisoned: samples that are poisoned in each.
        say: hears the progress.
        folder: where the temporary folder is made; default: the system's.

    Raises:
        ParamsError: there is no such attack.
    """
    known = [name for name in Registry("attacks").names() if name not in ("none", "imported")]  # they stamp
    for name in attacks:
        if name not in known:
            raise ParamsError(f"no attack {name!r}{nearest(name, known)} (known: {', '.join(known)})")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        speeds, copies = [], []
        for name in attacks or known:
            say(f"stamping with {name}")
            speed, copy = _speed(name)
            speeds.append(speed)
            copies.append(copy)
        with tempfile.TemporaryDirectory(prefix="asd-bench-", dir=folder) as temporary:
            planted = [_planted(Path(temporary) / str(size), size, poisoned, say) for size in sizes]
    finally:
        torch.set_num_threads(threads)
    return PoisonBench(float(np.median(copies)), speeds, planted)


# -- stamping -----------------------------------------------------------------------------------


def _speed(name: str) -> tuple[Speed, float]:
    """The speed of one attack, and of copying on the same pictures just before."""
    module = Registry("attacks").get(name)
    values = TRAINED.get(name, SMALL.get(name))
    case = Case(name, module, check(module.Params, values, f"attacks.{name}"))
    artifacts = case.prepared(SHAPE)
    images = random_images(SHAPE, BATCH)
    copy = BATCH / _median(lambda: np.copy(images.numpy()))
    count = _FIRST if name in TRAINED else BATCH
    taken = _seconds(lambda: case.stamp(images[:count], artifacts=artifacts))
    if count < BATCH and taken < _LONGEST:
        count = min(BATCH, max(_FIRST, int(count * _LONGEST / taken)))
    each = _REPEATS if taken * count / _FIRST < _LONGEST or count == BATCH else 1
    taken = float(
        np.median([_seconds(lambda: case.stamp(images[:count], artifacts=artifacts)) for _ in range(each)])
    )
    per_second = count / taken
    return Speed(name, per_second, copy / per_second, name in TRAINED), copy


def _seconds(call: Callable[[], object]) -> float:
    """Of this process's cores, so that what else runs on the machine hardly counts."""
    started = time.process_time()
    call()
    return time.process_time() - started


def _median(call: Callable[[], object]) -> float:
    call()  # warms up
    return float(np.median([_seconds(call) for _ in range(_REPEATS)]))


# -- planting -----------------------------------------------------------------------------------


def _planted(root: Path, size: int, poisoned: int, say: Say) -> Planted:
    if poisoned * 2 > size:
        raise ParamsError(f"{poisoned} poisoned samples are too many for a training set of {size}")
    source = root / "train"
    source.mkdir(parents=True)
    say(f"making a training set of {size:,} pictures")
    names = [f"class_{label}" for label in range(_CLASSES)]
    write_shards(
        source,
        _samples(size),
        name="made",
        split="train",
        class_names=names,
        image_shape=SHAPE,
        trusted=True,
    )
    say(f"planting {poisoned:,} in {size:,}")
    check_seconds = _seconds(lambda: verify_folder(source))
    index_seconds = float(np.median([_seconds(lambda: read_index(source)) for _ in range(3)]))
    attack = Registry("attacks").get("badnets")
    # just above, since planting takes the decimal number as it is written and rounds down
    params = attack.Params(poison_fraction=math.nextafter(poisoned / size, 1))
    trigger = Trigger("badnets", attack, params, 0, _CLASSES)
    times = []
    for number in range(3):
        overlay = root / f"overlay{number}"
        overlay.mkdir()
        started = time.process_time()
        found = plant(trigger, source, overlay, Reporter("poison", "bench", io.StringIO()))
        truth.write_truth(root / "truth.parquet", found)
        times.append(time.process_time() - started)
    return Planted(
        images=size,
        poisoned=len(found.keys),
        check_seconds=check_seconds,
        index_seconds=index_seconds,
        plant_seconds=max(0.0, float(np.median(times)) - index_seconds),
        overlay_bytes=sum(file.stat().st_size for file in overlay.iterdir()),
        truth_bytes=(root / "truth.parquet").stat().st_size,
    )


def _samples(size: int) -> Iterator[Sample]:
    """Pictures of coarse noise, about as large as PNG files as photographs are."""
    generator = numpy_generator(0, "bench poison", size)
    for row in range(size):
        coarse = generator.integers(0, 256, (SHAPE[0], 16, 16), dtype=np.uint8)
        image: Images = np.ascontiguousarray(coarse.repeat(2, axis=1).repeat(2, axis=2))
        yield Sample(f"train_{row:08d}", image, row % _CLASSES, f"made#{row}")
