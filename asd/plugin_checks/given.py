"""What every attack promises whose poison lies in the data already (`asd.attacks.GivenAttack`)."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from asd import given, store
from asd.attacks import GivenAttack, GivenRoles, Preparation
from asd.params import Params, check
from asd.plugin_checks import BrokenPromiseError, require
from asd.progress import Reporter
from asd.rng import numpy_generator
from asd.shards.png import encode_png
from asd.shards.write import write_shards
from asd.sources import describe
from asd.types import DataView, Images, Sample, SampleIndex, content_sha256

SHAPE, CLASSES, COUNT = (3, 9, 9), 4, 24
ROLES = ("clean", "poisoned", "decoy", "clean")
_FILE = "roles.parquet"

MADE_UP: dict[str, Callable[[str], dict[str, Any]]] = {
    "imported": lambda sha256: {"prepare": {"roles": _FILE, "roles_sha256": sha256}},
}
"""Params of our own plug-ins for a file of made-up roles; others are checked with their defaults alone."""


@dataclass(frozen=True)
class Case:
    """One attack; files that a person's params name are of other data than ours and are not read here."""

    plugin: str
    attack: ModuleType


def is_a_given_attack(case: Case) -> None:
    """It has Params with prepare and limited, prepare, roles and triggered, and nothing that stamps."""
    wanted = ("Params", "prepare", "roles", "triggered")
    missing = [name for name in wanted if not hasattr(case.attack, name)]
    require(not missing, f"it has no {', '.join(missing)}")
    require(isinstance(case.attack, GivenAttack), "it is not what asd.attacks.GivenAttack describes")
    require(issubclass(case.attack.Params, Params), "Params must be a subclass of asd.params.Params")
    missing = [name for name in ("prepare", "limited") if name not in case.attack.Params.model_fields]
    require(not missing, f"params lack {', '.join(missing)}")
    stamps = [name for name in ("stamp", "stamp_test", "stamp_decoy") if hasattr(case.attack, name)]
    require(not stamps, f"it has {', '.join(stamps)}, but plants nothing")


def knows_nothing_unless_told(case: Case) -> None:
    """With its default params it says that nothing is known."""
    with tempfile.TemporaryDirectory(prefix="asd-check-") as folder:
        params, made = _prepared(case, Path(folder), {})
        require(case.attack.roles(made, params) is None, "it gives roles without a file of them")
        require(case.attack.triggered(made, params) is None, "it gives a triggered test set without a file")


def tells_what_it_was_told(case: Case) -> None:
    """The truth is what the file of roles says, however its rows stand."""
    if case.plugin not in MADE_UP:
        return
    with tempfile.TemporaryDirectory(prefix="asd-check-") as name:
        folder, view = Path(name), _view()
        order = numpy_generator(3, "order").permutation(COUNT)
        _write_roles(folder / _FILE, view, order)
        sha256 = str(describe(folder / _FILE)["content_sha256"])
        params, made = _prepared(case, folder, MADE_UP[case.plugin](sha256))
        told: GivenRoles | None = case.attack.roles(made, params)
        if told is None:
            raise BrokenPromiseError("it gives no roles")
        _write_shards(folder / "train", view, view.images)
        _write_shards(folder / "test", view, 255 - view.images)
        matched = given.match_roles(case.plugin, told, folder / "train", folder / "test", limited=False)
        wanted = [
            (key, ROLES[row % 4], _before(row))
            for row, key in enumerate(view.index.keys)
            if ROLES[row % 4] != "clean"
        ]
        truth = matched.truth
        got = list(zip(truth.keys, truth.roles, truth.labels_before.tolist(), strict=True))
        require(got == wanted, f"truth of {len(got)} samples is not that of the file ({len(wanted)})")


def gives_the_same_bytes_again(case: Case) -> None:
    """Prepared twice, it gives the same bytes."""
    if case.plugin not in MADE_UP:
        return
    with tempfile.TemporaryDirectory(prefix="asd-check-") as name:
        folder = Path(name)
        _write_roles(folder / _FILE, _view(), np.arange(COUNT))
        section = MADE_UP[case.plugin](str(describe(folder / _FILE)["content_sha256"]))
        one, two = (_prepared(case, folder, section)[1] for _ in range(2))
        same = one.keys() == two.keys() and all(one[key].equal(two[key]) for key in one)
        require(same, "prepare gave other bytes the second time")


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_a_given_attack,
    knows_nothing_unless_told,
    tells_what_it_was_told,
    gives_the_same_bytes_again,
)


def _prepared(case: Case, folder: Path, section: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    params = check(case.attack.Params, section, f"attacks.{case.plugin}")
    reporter = Reporter("prepare", case.plugin, io.StringIO())
    preparation = Preparation(5, reporter, folder / "scratch", folder)
    return params, case.attack.prepare(_view(), params.prepare, preparation)


def _before(row: int) -> int:
    """Label of a picture before: another one where it is poisoned."""
    label = row % CLASSES
    return (label + 1) % CLASSES if ROLES[row % 4] == "poisoned" else label


def _view() -> DataView:
    pixels = numpy_generator(1, "images").integers(0, 256, size=(COUNT, *SHAPE), dtype=np.uint8)
    index = SampleIndex(
        keys=tuple(f"k{row:03d}" for row in range(COUNT)),
        labels=np.arange(COUNT, dtype=np.int64) % CLASSES,
        content=tuple(content_sha256(image) for image in pixels),
        sources=("check",) * COUNT,
    )
    return DataView(index, pixels, tuple(f"class{i}" for i in range(CLASSES)), trusted=False)


def _write_shards(folder: Path, view: DataView, images: Images) -> None:
    index = view.index
    folder.mkdir()
    write_shards(
        folder,
        [Sample(key, images[row], int(index.labels[row]), "check") for row, key in enumerate(index.keys)],
        name="check",
        split=folder.name,
        class_names=view.class_names,
        image_shape=SHAPE,
        trusted=view.trusted,
    )


def _write_roles(file: Path, view: DataView, order: Any) -> None:
    rows = [int(row) for row in order]
    store.write_parquet(
        file,
        pa.table(
            {
                "image": [encode_png(view.images[row]) for row in rows],
                "label": [int(view.labels[row]) for row in rows],
                "original_label": [_before(row) for row in rows],
                "role": [ROLES[row % 4] for row in rows],
            }
        ),
    )
