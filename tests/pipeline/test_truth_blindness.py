"""Stages 1 to 3 never look at what was planted, and cannot tell an overlay from a plain copy."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asd import store
from asd.layout import Cell
from asd.params_file import set_params
from asd.shards.manifest import read_manifest
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.types import Sample

ASD, NONE = CELLS = tuple(Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))
STAGES = ("stage1", "stage2", "stage3")


@pytest.fixture
def poisoned(finished: Any, tmp_path: Path) -> Any:
    """A workspace in which everything before stage1 is done."""
    return finished.copy(tmp_path / "w", "runs", ".cache")


def stages_of(pipeline: Any) -> dict[str, str]:
    return {name: sha for name, sha in pipeline.contents("data/runs").items() if "/stage" in name}


def test_the_stages_run_alike_without_the_truth_and_the_triggered_test_set(
    finished: Any, poisoned: Any
) -> None:
    shutil.rmtree(poisoned.root / "data" / "truth")
    shutil.rmtree(poisoned.layout.poisoned("digits", "badnets", "test"))
    shutil.rmtree(poisoned.layout.fetched("digits", "test"))
    poisoned.steps(CELLS, STAGES)
    assert stages_of(poisoned) == stages_of(finished)


def test_the_stages_run_alike_over_a_stand_alone_copy_of_the_poisoned_set(
    finished: Any, poisoned: Any
) -> None:
    layout = poisoned.layout
    base, overlay = layout.fetched("digits", "train"), layout.poisoned("digits", "badnets", "train")
    assert read_manifest(overlay).count == 20
    view = open_view(base, overlay=overlay, pixel_cache=poisoned.root / "copying")
    whole = [
        Sample(key, view.images[i], int(view.labels[i]), view.index.sources[i])
        for i, key in enumerate(view.index.keys)
    ]
    rewrite(base, whole)
    rewrite(overlay, [], over=base)
    poisoned.steps(CELLS, STAGES)
    assert stages_of(poisoned) == stages_of(finished)


def rewrite(folder: Path, samples: list[Sample], over: Path | None = None) -> None:
    """Put other samples in place of a folder of shards."""
    old = read_manifest(folder)
    with store.atomic_directory(folder) as temporary:
        write_shards(
            temporary,
            samples,
            name=old.name,
            split=old.split,
            class_names=old.class_names,
            image_shape=old.image_shape,
            trusted=old.trusted,
            base=read_manifest(over) if over else None,
        )


# -- what is opened, by whatever library: the kernel tells -----------------------------------

IN_OPEN = 0x20


class Watch:
    """Which of some files and folders were opened (Linux's inotify)."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._handle >= 0
        self._names = {
            self._libc.inotify_add_watch(self._handle, os.fsencode(path), IN_OPEN): path for path in paths
        }
        assert min(self._names) >= 0

    def opened(self) -> set[Path]:
        """The paths opened since the last call."""
        found = set()
        try:
            events = os.read(self._handle, 1 << 20)
        except BlockingIOError:
            return found
        while events:
            watch, _, _, length = struct.unpack_from("iIII", events)
            found.add(self._names[watch])
            events = events[16 + length :]
        return found

    def close(self) -> None:
        os.close(self._handle)


@pytest.fixture
def forbidden(poisoned: Any) -> Iterator[Watch]:
    """All that says what was planted, and all test images."""
    places = [
        poisoned.root / "data" / "truth",
        poisoned.root / "data" / "prepared",  # roles of an imported set
        poisoned.layout.poisoned("digits", "badnets", "test"),
        poisoned.layout.fetched("digits", "test"),
    ]
    watch = Watch([path for place in places for path in (place, *place.rglob("*"))])
    yield watch
    watch.close()


def test_sifted_seeds_open_no_truth_and_no_test_image(poisoned: Any, forbidden: Watch) -> None:
    set_params(poisoned.root, ["seeds.use=sift", "seeds.sift.accept_risk=true", "seeds.sift.patches=16"])
    said = poisoned.step("seed", ASD)
    assert "that nobody vouches for" in said
    assert forbidden.opened() == set()
    set_params(poisoned.root, ["seeds.use=oracle"])
    poisoned.step("seed", ASD)  # which reads it: so the watch does see
    assert "badnets.parquet" in {path.name for path in forbidden.opened()}


def test_the_stages_open_no_truth_and_no_test_image(poisoned: Any, forbidden: Watch) -> None:
    poisoned.steps(CELLS, STAGES)
    assert forbidden.opened() == set()
    poisoned.step("evaluate", ASD)  # which may: so the watch does see
    opened = {path.relative_to(poisoned.root / "data").parts[0] for path in forbidden.opened()}
    assert opened == {"truth", "poisoned", "fetched"}
    poisoned.step("audit", ASD)
    assert {path.name for path in forbidden.opened() if path.is_file()} == {"badnets.parquet"}
